# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever users send: it is answered, and nothing and nobody else is touched."""

import contextlib
import subprocess
from collections.abc import Iterator

import pytest

from tests.system.fuzz import campaign, unchanged
from tests.system.fuzz.watch import Watch
from tests.system.fuzz.worker import NO_MESSAGE
from tests.system.support import traces
from tests.system.support.box import DAEMON, configured_machine
from tests.system.support.bus import connect
from tests.system.support.polkit import allowed
from tests.system.support.users import User, incus

_OF_CREATORS = max(900, campaign.CALLS // 20)  # creating takes time
_QUOTA = 2


@contextlib.contextmanager
def _harmless(alice: User, bob: User, container: str, calls: int, creates: int) -> Iterator[None]:
    """Have bob make calls within the block, and at its end see what became of all else."""
    assert alice.kapsule("enter", container, "--", "true").code == 0
    before, restarts = unchanged.take(), _restarts()
    open_before = traces.take().descriptors
    with traces.sound_daemon(), Watch(alice, container) as watch:
        result = campaign.run(bob, calls, creates=creates)
        print(watch.health)
        yield
    assert result.faults == []
    watch.check()
    assert _restarts() == restarts
    assert result.answers.total() >= calls
    assert result.answers[NO_MESSAGE] < calls / 100
    now = unchanged.take()
    # Bob's, notes on ended containers, and what counts sessions.
    own = (f"{bob.account.pw_dir}/", "/run/kapsule/runs/", "/run/kapsule/sessions/")
    left = [each for each in unchanged.differences(before, now) if not each.startswith(own)]
    assert not left, "\n".join(left)
    traces.until(lambda: traces.take().descriptors == open_before)


def _restarts() -> str:
    show = ["systemctl", "show", "--value", "--property=NRestarts", DAEMON]
    return subprocess.run(show, capture_output=True, text=True, check=True).stdout.strip()


def test_calls_of_a_user_without_any_right(alice: User, bob: User, container: str) -> None:
    """Each call has a result or a named error, others are served in time, nothing changes."""
    with _harmless(alice, bob, container, campaign.CALLS, creates=0):
        pass


@pytest.fixture
def _creator(bob: User) -> Iterator[None]:
    """Bob may have a few isolated containers. The bridge that they need is there already."""
    with (
        configured_machine(f"max_containers = {_QUOTA}"),
        allowed(bob, "create-isolated", "manage-own"),
    ):
        created = bob.kapsule("create", "bobs", "--trust", "project", "--image", "local:busybox")
        assert created.code == 0, created.error
        _delete_containers_of(bob)
        yield
        _delete_containers_of(bob)


def _containers_of(user: User) -> list[str]:
    owner = f"user.kapsule.owner={user.account.pw_uid}"
    return incus("list", "--format=csv", "--columns=n", owner).split()


def _delete_containers_of(user: User) -> None:
    """Delete what the user has; what was begun for them may still go on."""

    def are_gone() -> bool:
        with connect(user) as bus:
            is_idle = bus.call("ListOperations", "", ()) == ([],)
        for name in _containers_of(user):
            incus("delete", "--force", name, check=False)
        return is_idle and not _containers_of(user)

    traces.until(are_gone, 60)


@pytest.mark.usefixtures("_creator")
def test_calls_of_a_user_who_may_create(alice: User, bob: User, container: str) -> None:
    """The same holds for one who has containers, and they are never more than may be."""
    with _harmless(alice, bob, container, _OF_CREATORS, creates=6):
        assert len(_containers_of(bob)) <= _QUOTA
        traces.until(lambda: bob.kapsule("list").code == 0)
        _delete_containers_of(bob)
