# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages between the daemon and the session helper, and between the helper's own processes.

A message is one packet of a SOCK_SEQPACKET socket. The packet itself is empty but for one byte; it
carries descriptors: first a memfd with the JSON text, so that size is no matter and nothing of it
shows in any argv, then those that the message is about.
"""

import json
import os
import socket
from typing import Any

Message = dict[str, Any]

MAX_DESCRIPTORS = 16
_MAX_SIZE = 64 * 1024 * 1024


class ProtocolError(Exception):
    """What came is no message."""


def send(channel: socket.socket, message: Message, descriptors: tuple[int, ...] = ()) -> None:
    """Send a message and duplicates of descriptors. Raises OSError."""
    text = os.memfd_create("kapsule-message", os.MFD_CLOEXEC)
    try:
        with open(text, "wb", closefd=False) as stream:
            stream.write(json.dumps(message).encode())
        socket.send_fds(channel, [b"\0"], [text, *descriptors])
    finally:
        os.close(text)


def receive(channel: socket.socket) -> tuple[Message, list[int]]:
    """Return the next message and its descriptors, which are the receiver's to close.

    Raises EOFError when the other side is gone, ProtocolError for nonsense, OSError.
    """
    data, descriptors, _, _ = socket.recv_fds(channel, 16, MAX_DESCRIPTORS)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    if not data:
        raise EOFError
    try:
        return _read(descriptors[:1]), descriptors[1:]
    except ProtocolError:
        close_all(descriptors[1:])
        raise
    finally:
        close_all(descriptors[:1])


def _read(descriptors: list[int]) -> Message:
    if not descriptors:
        raise ProtocolError("a message without a text")
    size = os.fstat(descriptors[0]).st_size
    if size > _MAX_SIZE:
        raise ProtocolError(f"a message of {size} bytes")
    try:
        message = json.loads(os.pread(descriptors[0], size, 0))
    except ValueError as error:
        raise ProtocolError(str(error)) from error
    if not isinstance(message, dict):
        raise ProtocolError("a message that is no object")
    return message


def close_all(descriptors: list[int]) -> None:
    """Close the descriptors."""
    for descriptor in descriptors:
        os.close(descriptor)
