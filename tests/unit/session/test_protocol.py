# SPDX-License-Identifier: GPL-3.0-or-later
import os
import socket
from collections.abc import Iterator

import pytest

from kapsule.session import protocol


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with left, right:
        yield left, right


def test_messages_of_any_size_come_with_their_descriptors(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """Four megabytes and bytes that are not UTF-8 pass, and what comes closes itself on exec."""
    text = "x" * 4_000_000 + os.fsdecode(b"\xff")
    protocol.send(pair[0], {"text": text}, (0, 1))
    message, descriptors = protocol.receive(pair[1])
    assert message == {"text": text}
    assert len(descriptors) == 2
    assert not any(map(os.get_inheritable, descriptors))
    protocol.close_all(descriptors)


def test_the_other_side_may_go(pair: tuple[socket.socket, socket.socket]) -> None:
    """A closed socket is an end, not a message."""
    pair[0].close()
    with pytest.raises(EOFError):
        protocol.receive(pair[1])


@pytest.mark.parametrize("text", [b"", b"[1]", b"{", b"\xff"])
def test_nonsense_is_refused(pair: tuple[socket.socket, socket.socket], text: bytes) -> None:
    """What is no JSON object is no message, and its descriptors are closed."""
    before = len(os.listdir("/proc/self/fd"))
    memory = os.memfd_create("test")
    os.write(memory, text)
    socket.send_fds(pair[0], [b"\0"], [memory, 0])
    os.close(memory)
    with pytest.raises(protocol.ProtocolError):
        protocol.receive(pair[1])
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_message_needs_a_text(pair: tuple[socket.socket, socket.socket]) -> None:
    """A packet without descriptors is refused."""
    pair[0].send(b"\0")
    with pytest.raises(protocol.ProtocolError):
        protocol.receive(pair[1])
