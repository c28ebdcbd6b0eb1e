# SPDX-License-Identifier: GPL-3.0-or-later
"""Callers that leave, interrupt, and get in each other's way."""

import random
import signal
import subprocess
import time

import pytest

from tests.system.support import traces
from tests.system.support.box import check_works, default_container, instances, refused
from tests.system.support.bus import status
from tests.system.support.command import BUSYBOX, DEBIAN, POINTS, Command
from tests.system.support.screen import Screen
from tests.system.support.traces import until
from tests.system.support.users import User, incus

INTERRUPT = b"\x03"


# --- the caller goes away


@pytest.mark.parametrize("point", POINTS[1:])
@pytest.mark.usefixtures("_sound_daemon")
def test_a_caller_of_create_disappears(alice: User, fresh_name: str, point: str) -> None:
    """What was ordered is delivered: a container that is whole."""
    with Command(alice, "create", fresh_name, *BUSYBOX) as create:
        create.hear(point.format(fresh_name))
        create.send(signal.SIGKILL)
    until(lambda: status(fresh_name))
    check_works(alice, fresh_name)


@pytest.mark.parametrize("point", POINTS[1:])
def test_a_caller_of_enter_disappears(alice: User, traceless: str, point: str) -> None:
    """A default container that nobody waits for any more is not made."""
    with default_container(alice, traceless), Command(alice, "enter", "--", "true") as enter:
        enter.hear(point.format(traceless))
        enter.send(signal.SIGKILL)
        enter.end()
        until(lambda: traceless not in instances())


@pytest.mark.usefixtures("_sound_daemon")
def test_a_caller_disappears_while_a_container_starts(alice: User, small: str) -> None:
    """It is started, or as it was; and can be entered either way."""
    assert alice.kapsule("stop", "--force", small).code == 0
    with Command(alice, "enter", small, "--", "true") as enter:
        enter.hear("  Starting")
        enter.send(signal.SIGKILL)
    assert alice.kapsule("enter", small, "--", "echo", "in").text == "in"


@pytest.mark.usefixtures("_sound_daemon")
def test_callers_disappear_at_any_moment(alice: User, container: str) -> None:
    """Of a session whose client was killed nothing is left: in the guest, or on the host."""
    before = traces.take()
    moments = random.Random(7)
    for _ in range(15):
        words = ("kapsule", "enter", container, "--", "sleep", "7719")
        client = alice.popen(*words, stdin=subprocess.DEVNULL)
        time.sleep(moments.uniform(0.02, 0.2))
        client.kill()
        client.wait()
    traces.check_none_left(before, "7719")
    until(lambda: not incus("exec", container, "--", "pgrep", "-f", "7719", check=False))


# --- Ctrl-C


@pytest.mark.parametrize("point", POINTS)
def test_interrupting_create(alice: User, traceless: str, point: str) -> None:
    """It is cancelled, what was begun is undone first, and the status is that of Ctrl-C."""
    words = ("kapsule", "create", traceless, *DEBIAN)
    with Screen(alice, *words, env={"NO_COLOR": "1"}) as screen:
        screen.expect(point.format(traceless).strip())
        screen.type(INTERRUPT)
        if point != POINTS[0]:  # where there may be nothing to cancel yet
            screen.expect("Cancelling, and undoing what was begun")
        assert screen.wait() == 130
        assert b"Container created" not in screen.output
    assert traceless not in instances()


def test_interrupting_create_twice(alice: User, traceless: str) -> None:
    """The second time one is let go at once; the daemon undoes it without us."""
    with Command(alice, "create", traceless, *DEBIAN) as create:
        create.hear(POINTS[1].format(traceless))
        create.send(signal.SIGINT)
        create.hear("Cancelling")
        create.send(signal.SIGINT)
        assert create.end().code == 130
    until(lambda: traceless not in instances())


@pytest.mark.parametrize("point", POINTS[1:])
def test_interrupting_an_enter_that_creates(alice: User, traceless: str, point: str) -> None:
    """The default container that was being made is gone again before one has one's prompt."""
    words = ("kapsule", "enter")
    with (
        default_container(alice, traceless),
        Screen(alice, *words, env={"NO_COLOR": "1"}) as screen,
    ):
        modes = screen.modes()
        screen.expect(point.format(traceless).strip())
        screen.type(INTERRUPT)
        screen.expect("Cancelling, and undoing what was begun")
        assert screen.wait() == 130
        assert b"777" not in screen.output
        assert screen.modes() == modes
        assert traceless not in instances()


@pytest.mark.usefixtures("_sound_daemon")
def test_interrupting_a_start(alice: User, small: str) -> None:
    """The container is stopped, as it was before."""
    assert alice.kapsule("stop", "--force", small).code == 0
    with Command(alice, "start", small) as start:
        start.hear("  Starting")
        start.send(signal.SIGINT)
        code = start.end().code
    assert (code, status(small)) in ((130, "Stopped"), (0, "Running"))


# --- several at once


def test_two_creates_of_one_name(alice: User, root: User, traceless: str) -> None:
    """One makes it, the others are told that it exists; nobody's undo takes it away."""
    for other in (alice, root):
        commands = [Command(user, "create", traceless, *BUSYBOX) for user in (alice, other, alice)]
        results = [command.end() for command in commands]
        assert sorted(result.code for result in results) == [0, 1, 1]
        for result in results:
            if result.code:
                refused(result, f"Container '{traceless}' already exists")
        assert status(traceless) == "Running"
        assert root.kapsule("rm", "--force", traceless).code == 0


def test_two_enters_of_a_missing_default(alice: User, traceless: str) -> None:
    """It is made once, and both get in."""
    with default_container(alice, traceless, "local:busybox"):
        enters = [Command(alice, "enter", "--", "hostname") for _ in range(3)]
        results = [enter.end() for enter in enters]
        assert [result.text for result in results] == [traceless] * 3
        assert alice.kapsule("rm", "--force", traceless).code == 0


def test_entering_what_is_being_created(alice: User, traceless: str) -> None:
    """Enter waits until it is finished: nobody gets into a half-made container."""
    with Command(alice, "create", traceless, *DEBIAN) as create:
        create.hear(POINTS[1].format(traceless))
        until(lambda: traceless in instances())
        result = alice.kapsule("enter", traceless, "--", "sh", "-c", "id -un; hostname")
        assert create.end().code == 0
    assert result.text.split() == ["alice", traceless], result.error
    assert alice.kapsule("rm", "--force", traceless).code == 0


def test_removing_what_is_being_created(alice: User, traceless: str) -> None:
    """One after the other: it is finished, and then removed; without force it is not."""
    with Command(alice, "create", traceless, *BUSYBOX) as create:
        create.hear(POINTS[1].format(traceless))
        until(lambda: traceless in instances())
        refused(alice.kapsule("rm", traceless), f"Container '{traceless}' is running")
        assert create.end().code == 0
    assert alice.kapsule("rm", "--force", traceless).code == 0
    with Command(alice, "create", traceless, *BUSYBOX) as create:
        create.hear(POINTS[1].format(traceless))
        until(lambda: traceless in instances())
        assert alice.kapsule("rm", "--force", traceless).code == 0
        assert create.end().code == 0
    assert traceless not in instances()


def test_somebody_else_removes_what_is_being_created(alice: User, traceless: str) -> None:
    """With the `incus` command one can; the creation fails, and leaves nothing more."""
    with Command(alice, "create", traceless, *DEBIAN) as create:
        create.hear(POINTS[2].format(traceless))
        while traceless in instances():  # Incus may be at work on it
            incus("delete", "--force", traceless, check=False)
        result = create.end()
    if result.code:
        refused(result)


@pytest.mark.usefixtures("_sound_daemon")
def test_stopping_under_sessions(alice: User, small: str) -> None:
    """Those that run end, those that are about to begin fail or start it again; none hangs."""
    with Command(alice, "enter", small, "--", "sh", "-c", "echo up >&2; sleep 7720") as session:
        session.hear("up")
        assert alice.kapsule("stop", "--force", small).code == 0
        assert session.end().code > 0
    enters = [Command(alice, "enter", small, "--", "true") for _ in range(4)]
    stops = [Command(alice, "stop", "--force", small) for _ in range(2)]
    assert {each.end().code for each in stops} == {0}
    for result in (each.end() for each in enters):
        assert result.code in (0, 125, 137), result.error
        assert "Traceback" not in result.error
    assert alice.kapsule("enter", small, "--", "echo", "in").text == "in"


@pytest.mark.usefixtures("_sound_daemon")
def test_twenty_at_once(alice: User, container: str, fresh_name: str) -> None:
    """Creations, sessions, starts, lists and refusals side by side, each with its own outcome."""
    made = [f"{fresh_name}-{number}" for number in range(6)]
    creates = [Command(alice, "create", each, *BUSYBOX) for each in made]
    enters = [Command(alice, "enter", container, "--", "echo", str(n)) for n in range(5)]
    others = [Command(alice, verb, container) for verb in ("start", "info", "start")]
    lists = [Command(alice, "list", "--json") for _ in range(3)]
    losers = [Command(alice, "create", container, *BUSYBOX) for _ in range(3)]
    assert [each.end().code for each in (*creates, *others, *lists)] == [0] * 12
    assert [each.end().text for each in enters] == ["0", "1", "2", "3", "4"]
    assert [each.end().code for each in losers] == [1] * 3
    result = alice.kapsule("rm", "--force", *made)
    assert result.code == 0, result.error
    assert not [each for each in instances() if each.startswith(fresh_name)]
