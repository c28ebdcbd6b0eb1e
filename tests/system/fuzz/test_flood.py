# SPDX-License-Identifier: GPL-3.0-or-later
"""One user asks for too much at once; another is served all the same."""

import contextlib
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.system.fuzz import wire
from tests.system.fuzz.interfaces import MANAGER, MANAGER_PATH
from tests.system.fuzz.peer import Peer
from tests.system.fuzz.watch import Watch
from tests.system.fuzz.wire import Message
from tests.system.support import traces
from tests.system.support.bus import acting_as
from tests.system.support.users import User

pytestmark = pytest.mark.main  # how many descriptors a bus takes depends on its version

_BUSY = "org.kde.kapsule.Error.Busy"
_LIMIT = "org.freedesktop.DBus.Error.LimitsExceeded"


@pytest.fixture
def watch(alice: User, container: str) -> Iterator[Watch]:
    """Alice calls all the time, is served in time, and the daemon neither dies nor grows."""
    assert alice.kapsule("enter", container, "--", "true").code == 0
    with traces.sound_daemon(), Watch(alice, container) as watch:
        yield watch
    watch.check()


@contextlib.contextmanager
def _connections(user: User, count: int) -> Iterator[list[Peer]]:
    with contextlib.ExitStack() as stack:
        with acting_as(user):
            peers = [stack.enter_context(Peer()) for _ in range(count)]
        yield peers


def _start(name: str) -> Message:
    return Message(MANAGER_PATH, MANAGER, "StartContainer", "s", (name,))


@pytest.mark.parametrize("connections", [10, 100])
def test_a_thousand_operations_that_nobody_follows(
    bob: User, watch: Watch, connections: int
) -> None:
    """A user has 64 at a time, however many connections they come from; the rest is refused."""
    with _connections(bob, connections) as peers:
        sent = [
            (peer, peer.send(_start(f"none-{number}")))
            for number in range(1000 // connections)
            for peer in peers
        ]
        answers = Counter(peer.wait(serial).error for peer, serial in sent)
    assert set(answers) <= {"", _BUSY}
    assert answers[_BUSY]


def test_operations_with_names_as_long_as_can_be(bob: User, watch: Watch) -> None:
    """What a caller sends is neither kept nor repeated at its full length."""
    with _connections(bob, 4) as peers:
        for _ in range(60):
            sent = [(peer, peer.send(_start("x" * 64_000))) for peer in peers for _ in range(4)]
            for peer, serial in sent:
                assert peer.wait(serial).error in ("", _BUSY)


@pytest.mark.parametrize(
    ("member", "signature", "value"),
    [
        ("GetContainerInfo", "s", "x" * 30_000_000),
        ("StartContainer", "s", "x" * 20_000_000),
        ("NoSuchMethod", "as", ["", *["x"] * 1_500_000]),
        ("PrepareEnter", "a{ss}", {str(number): "" for number in range(600_000)}),
    ],
)
def test_messages_as_large_as_the_bus_takes(
    bob: User, watch: Watch, member: str, signature: str, value: object
) -> None:
    """They are refused before they are looked at."""
    message = Message(MANAGER_PATH, MANAGER, member, signature, (value,))
    with _connections(bob, 1) as (peer,):
        for _ in range(3):
            assert peer.call(message).error == _LIMIT


def test_calls_that_want_no_answer(bob: User, watch: Watch) -> None:
    """They come as fast as somebody can send them, and others have their turn."""
    flags = wire.NO_REPLY_EXPECTED
    calls = [
        Message(MANAGER_PATH, MANAGER, "ListContainers", flags=flags),
        Message(MANAGER_PATH, MANAGER, "ListImages", flags=flags),
        Message(MANAGER_PATH, MANAGER, "GetConfig", flags=flags),
        Message(MANAGER_PATH, MANAGER, "StartContainer", "s", ("nothing",), flags=flags),
        Message(MANAGER_PATH, MANAGER, "GetContainerInfo", "i", (1,), flags=flags),
    ]
    with _connections(bob, 4) as peers:
        for _ in range(200):
            for peer in peers:
                for call in calls:
                    peer.send(call)
        for peer in peers:
            reply = peer.call(Message(MANAGER_PATH, MANAGER, "ListContainers"))
            assert reply.error in ("", _LIMIT, _BUSY)


def test_long_command_lines(bob: User, watch: Watch) -> None:
    """What comes with a refused Enter does not stay."""
    environment = {str(number): "x" * 100_000 for number in range(70)}
    body: tuple[object, ...] = (
        "nothing",
        ["true"],
        "/",
        environment,
        [],
        {"terminal": ("au", [0, 1, 2])},
    )
    enter = Message(MANAGER_PATH, MANAGER, "Enter", "sassa{ss}aha{sv}", body)
    with _connections(bob, 2) as peers:
        for _ in range(30):
            for peer, serial in [(peer, peer.send(enter)) for peer in peers]:
                assert peer.wait(serial).error == "org.kde.kapsule.Error.NotFound"
