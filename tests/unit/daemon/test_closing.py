# SPDX-License-Identifier: GPL-3.0-or-later
"""Descriptors whose closing takes as long as their sender likes."""

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from dbus_fast import Message, MessageType

from kapsule import names
from kapsule.daemon.closing import Closer

from .client import Client
from .conftest import Daemon
from .descriptors import closed, open_descriptors

_ENTER = "sassa{ss}aha{sv}"


class Lingering:
    """A socket whose last close(2) waits for its peer, which does not read: socket(7)."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            ours = socket.create_connection(server.getsockname())
            self._peer, _ = server.accept()
        ours.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                ours.send(bytes(65536))
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 30))
        self.descriptor = ours.detach()

    def release(self) -> None:
        """Let whoever closes it go on."""
        self._peer.close()


@pytest.fixture
def lingering() -> Iterator[Lingering]:
    """One such socket. Its descriptor is the test's to close."""
    lingering = Lingering()
    yield lingering
    lingering.release()


def _closings() -> int:
    """Return how many threads close something."""
    return sum(thread.name == "closing" for thread in threading.enumerate())


def _message(member: str, kind: MessageType = MessageType.METHOD_CALL, *fds: int) -> Message:
    body = ["none", [], "/", {}, [0, 0, 0], {}]
    path, interface = names.MANAGER_PATH, names.MANAGER_INTERFACE
    return Message(
        names.BUS_NAME,
        path,
        interface,
        member,
        kind,
        signature=_ENTER,
        body=body,
        unix_fds=list(fds),
    )


@pytest.mark.parametrize("member", ["Enter", "ListContainers"])
async def test_others_are_answered_while_one_is_closed(
    client: Client, daemon: Daemon, lingering: Lingering, member: str
) -> None:
    """Whether descriptors are wanted or not, the event loop does not wait for their end."""
    await client.send_message(_message(member, MessageType.METHOD_CALL, lingering.descriptor))
    os.close(lingering.descriptor)  # another is on its way: this does not wait
    for _ in range(50):
        assert await client.call("ListOperations") == []
        if _closings():
            break
    assert _closings() == 1
    lingering.release()
    await closed(lambda: _closings() == 0)


async def test_a_signal_that_looks_like_an_enter(client: Client, daemon: Daemon) -> None:
    """Nobody takes its descriptors, so they are closed as all others are."""
    read, write = os.pipe()
    before = open_descriptors()
    for _ in range(5):
        await client.send_message(_message("Enter", MessageType.SIGNAL, read, write))
    await client.call("ListOperations")
    await closed(lambda: open_descriptors() == before)
    os.close(read)
    os.close(write)


async def test_there_are_not_too_many_threads(lingering: Lingering) -> None:
    """What comes while all of them hang is closed when one of them goes on."""
    closer = Closer(most=1)
    read, write = os.pipe()
    closer.close([lingering.descriptor])
    await closed(lambda: _closings() == 1)
    for end in (read, write):
        closer.close([end])
    assert _closings() == 1
    os.fstat(read)  # it is open still
    lingering.release()
    await closed(lambda: _closings() == 0)
    for end in (read, write):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(end)
