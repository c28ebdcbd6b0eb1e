# SPDX-License-Identifier: GPL-3.0-or-later
"""One user hands the daemon what takes long to close; another is served all the same."""

import contextlib
import os
import socket
import struct
from pathlib import Path

import pytest

from tests.system.fuzz.interfaces import MANAGER, MANAGER_PATH
from tests.system.fuzz.peer import Peer
from tests.system.fuzz.watch import Watch
from tests.system.fuzz.wire import Message
from tests.system.support import traces
from tests.system.support.box import DAEMON, frozen, main_pid
from tests.system.support.bus import acting_as
from tests.system.support.users import User

_MESSAGES = 12
_SECONDS = 5  # that each waits for its peer


def _lingering(peers: contextlib.ExitStack) -> int:
    """Return a socket whose last close(2) waits for its peer, which does not read: socket(7)."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        peers.enter_context(server.accept()[0])
    ours.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            ours.send(bytes(65536))
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, _SECONDS))
    return ours.detach()


def _message(member: str) -> Message:
    if member == "Enter":
        body: tuple[object, ...] = ("nothing", [], "/", {}, [0, 0, 0], {})
        return Message(MANAGER_PATH, MANAGER, member, "sassa{ss}aha{sv}", body, fds=1)
    return Message(MANAGER_PATH, MANAGER, member, fds=1)


def _hand_over(peer: Peer, message: Message, descriptor: int) -> int:
    """Send a message with a descriptor that nobody has but who gets it; return its serial."""
    serial, link = peer.send(message, [descriptor]), os.readlink(f"/proc/self/fd/{descriptor}")
    peer.ask_bus("GetId")  # then it has taken what was before
    bus = Path(f"/proc/{main_pid('dbus.service')}/fd")
    # Or it would be the bus that closes it last, and waits.
    traces.until(lambda: link not in map(_target, bus.iterdir()))
    os.close(descriptor)
    return serial


def _target(path: Path) -> str:
    try:
        return os.readlink(path)
    except FileNotFoundError:
        return ""


@pytest.mark.parametrize("member", ["ListContainers", "Enter"])
def test_sockets_that_linger(alice: User, bob: User, container: str, member: str) -> None:
    """Whoever closes them last waits as long as the sender likes, and that is not the loop."""
    assert alice.kapsule("enter", container, "--", "true").code == 0
    with traces.sound_daemon(), contextlib.ExitStack() as stack:
        watch = Watch(alice, container)
        with acting_as(bob):
            peer = stack.enter_context(Peer())
        with frozen(main_pid(DAEMON)):
            sent = [_hand_over(peer, _message(member), _lingering(stack)) for _ in range(_MESSAGES)]
        with watch:
            for serial in sent:
                peer.wait(serial, patience=2 * _MESSAGES * _SECONDS)
        watch.check()
