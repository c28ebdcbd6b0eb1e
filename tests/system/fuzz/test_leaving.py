# SPDX-License-Identifier: GPL-3.0-or-later
"""Callers that leave the bus while something is done for them, at each point that they hear of."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.fuzz.interfaces import MANAGER, MANAGER_PATH
from tests.system.fuzz.peer import Peer
from tests.system.fuzz.wire import Message
from tests.system.support import traces
from tests.system.support.box import check_works, default_container, instances
from tests.system.support.bus import acting_as, connect, status
from tests.system.support.users import User, incus

# Signals of an operation that a caller hears before it leaves. Whoever leaves at once may be gone
# before the bus can tell who it was; then nothing happens.
_POINTS = (0, 1, 2, 3, 4, 6, 8, 12)
_BOB = 1001
_QUIET = 2.0  # seconds


def _leave_after(user: User, signals: int, member: str, signature: str, *body: Any) -> None:
    """Make a call, hear so many signals or the end, and leave."""
    message = Message(MANAGER_PATH, MANAGER, member, signature, body)
    with acting_as(user):
        peer = Peer()
    with peer:
        peer.send(message)
        peer.hear(signals)


def _until_idle(user: User, heard: int) -> None:
    """Wait until nothing is done for the user any more.

    heard: signals of what was begun. Without any, it may not have begun yet: the daemon asks the
    bus first who calls.
    """
    busy = time.monotonic()

    def is_idle() -> bool:
        nonlocal busy
        with connect(user) as bus:
            if bus.call("ListOperations", "", ()) != ([],):
                busy = time.monotonic()
                return False
        return bool(heard) or time.monotonic() - busy > _QUIET

    traces.until(is_idle, 60)


@pytest.mark.parametrize("point", _POINTS)
def test_leaving_at_create(alice: User, traceless: str, point: int) -> None:
    """The container is made all the same, and whole: the user may come back for it."""
    body: tuple[Any, ...] = (traceless, "local:busybox", {})
    _leave_after(alice, point, "CreateContainer", "ssa{sv}", *body)
    _until_idle(alice, point)
    if point or traceless in instances():
        check_works(alice, traceless)


@pytest.mark.parametrize("point", _POINTS)
def test_leaving_at_an_enter_that_creates(alice: User, traceless: str, point: int) -> None:
    """Nobody waits for the session: what was begun is taken back, or it is whole."""
    body: tuple[Any, ...] = ("", ["true"], "/", {}, [], {"terminal": ("au", [0, 1, 2])})
    with default_container(alice, traceless, "local:busybox"):
        _leave_after(alice, point, "Enter", "sassa{ss}aha{sv}", *body)
        _until_idle(alice, point)
        if traceless in instances():
            check_works(alice, traceless)


@pytest.fixture
def own(alice: User, traceless: str) -> Iterator[str]:
    """A running container for one test, of which nothing is left."""
    assert alice.kapsule("create", traceless, "--image", "local:busybox").code == 0
    yield traceless
    assert alice.kapsule("rm", "--force", traceless).code == 0


@pytest.mark.parametrize("point", _POINTS[:4])
@pytest.mark.parametrize(
    ("member", "signature", "rest"),
    [
        ("StopContainer", "sb", (True,)),
        ("RestartContainer", "sb", (True,)),
        ("AddMount", "ss", ("/srv",)),
    ],
)
def test_leaving_at_a_change(
    alice: User, own: str, member: str, signature: str, rest: tuple[object, ...], point: int
) -> None:
    """It is carried through."""
    _leave_after(alice, point, member, signature, own, *rest)
    _until_idle(alice, point)
    if not point:
        return  # whoever leaves at once may be gone before the bus can tell who it was
    assert status(own) == ("Stopped" if member == "StopContainer" else "Running")
    if member == "AddMount":
        assert "/srv" in incus("config", "show", own)


@pytest.mark.parametrize("point", [1, 3])
@pytest.mark.parametrize(
    ("before", "member", "signature", "rest", "line"),
    [
        (("mount", "/srv"), "RemoveMount", "ss", ("/srv",), "source: /srv"),
        (("start",), "ChangeTrust", "ssb", ("sealed", True), "user.kapsule.trust: sealed"),
        (("stop", "--force"), "ChangeOwner", "su", (_BOB,), f'user.kapsule.owner: "{_BOB}"'),
    ],
)
def test_leaving_at_a_change_of_settings(
    alice: User,
    own: str,
    before: tuple[str, ...],
    member: str,
    signature: str,
    rest: tuple[object, ...],
    line: str,
    point: int,
) -> None:
    """It is carried through, too; what ran runs again."""
    verb, *more = before
    assert alice.kapsule(verb, own, *more).code == 0
    was = status(own)
    assert (line in incus("config", "show", own)) is (member == "RemoveMount")
    _leave_after(alice, point, member, signature, own, *rest)
    _until_idle(alice, point)
    assert (line in incus("config", "show", own)) is (member != "RemoveMount")
    assert status(own) == was


@pytest.mark.parametrize("point", _POINTS[:4])
def test_leaving_at_delete(alice: User, traceless: str, point: int) -> None:
    """It is gone."""
    assert alice.kapsule("create", traceless, "--image", "local:busybox").code == 0
    _leave_after(alice, point, "DeleteContainer", "sb", traceless, True)
    _until_idle(alice, point)
    if not point and traceless in instances():
        check_works(alice, traceless)
    assert traceless not in instances()
