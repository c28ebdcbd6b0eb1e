# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes messages to the bus; it stands in for dbus-fast's own writer, and does one thing better.

A socket that has no room for more just then is an error for dbus-fast, which ends the connection.
So whoever has the bus be busy for a moment would end the daemon. Here it is written later.
"""

import socket
from collections.abc import Sequence
from typing import Any

from dbus_fast.aio.message_bus import MessageBus, _MessageWriter

_Ancillary = Sequence[tuple[int, int, Any]]


class Writer(_MessageWriter):
    """What dbus-fast sends by."""

    def __init__(self, bus: MessageBus) -> None:
        super().__init__(bus)
        assert self.sock is not None
        # It is used for nothing but this.
        self.sock = PatientSocket(self.sock)  # type: ignore[assignment]


class PatientSocket:
    """A socket that says that it has taken nothing when it has no room.

    dbus-fast takes descriptors for sent when it has called sendmsg(), so they are kept until then.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._unsent: _Ancillary = ()

    def send(self, data: memoryview) -> int:
        """Send data, and return how many bytes of it went."""
        try:
            sent = self._sock.sendmsg([data], self._unsent)
        except BlockingIOError:
            return 0
        self._unsent = ()
        return sent

    def sendmsg(self, buffers: Sequence[memoryview], ancillary: _Ancillary) -> int:
        """Send a buffer with descriptors, and return how many bytes of it went."""
        self._unsent = ancillary
        (data,) = buffers
        return self.send(data)
