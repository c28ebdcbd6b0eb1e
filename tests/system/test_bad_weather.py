# SPDX-License-Identifier: GPL-3.0-or-later
"""Incus or the daemon goes away, dies or hangs: the end is clear, nothing half-made is left."""

import signal
import subprocess
import time

import pytest

from tests.system.support import traces
from tests.system.support.box import (
    DAEMON,
    check_works,
    default_container,
    frozen,
    instances,
    kill_incus,
    main_pid,
    mortal_daemon,
    refused,
    systemctl,
    without_incus,
)
from tests.system.support.bus import Changes, status
from tests.system.support.command import BUSYBOX, DEBIAN, POINTS, Command
from tests.system.support.traces import until
from tests.system.support.users import User, incus

# --- Incus


@pytest.mark.usefixtures("_sound_daemon")
def test_without_incus(alice: User, small: str) -> None:
    """What is in memory is still answered, the rest fails at once, and it all comes back."""
    other = f"{small}2"
    with without_incus():
        assert status(small) == "Running"
        assert alice.kapsule("enter", small, "--", "echo", "warm").text == "warm"
        assert alice.kapsule("config").code == 0
        for words in (
            *(["start", small], ["stop", small], ["restart", small], ["rm", "-f", small]),
            *(["info", small], ["image", "list"], ["create", other, *BUSYBOX]),
            *(["mount", small, "/srv"], ["trust", "--yes", small, "home"], ["chown", small, "bob"]),
        ):
            refused(alice.kapsule(*words), "Incus does not answer", "systemctl status incus")
    with Changes() as changes:
        incus("pause", small)
        changes.expect(lambda: status(small) == "Frozen")
    assert other not in instances()


def test_a_daemon_that_starts_before_incus(alice: User, small: str) -> None:
    """It is there and tells its version; what it cannot know yet is an error with a hint."""
    with Changes() as changes:
        with without_incus():
            systemctl("restart", DAEMON)
            manager = ("org.kde.kapsule", "/org/kde/kapsule", "org.kde.kapsule.Manager")
            assert alice.run("busctl", "get-property", *manager, "Version").code == 0
            assert "default_container" in alice.kapsule("config").text
            refused(alice.kapsule("list"), "Incus does not answer")
            refused(alice.kapsule("enter", small), "Incus does not answer", code=125)
        changes.expect(lambda: status(small) == "Running")
    assert alice.kapsule("enter", small, "--", "echo", "again").text == "again"


@pytest.mark.parametrize("point", POINTS)
def test_incus_dies_during_create(alice: User, traceless: str, point: str) -> None:
    """The caller is told; what Incus has of the container afterwards is removed."""
    with Command(alice, "create", traceless, *DEBIAN) as create:
        create.hear(point.format(traceless))
        kill_incus()
        result = create.end()
    if result.code == 0:
        check_works(alice, traceless)
    else:
        refused(result)
    until(lambda: status(traceless) is None)


@pytest.mark.parametrize(
    ("words", "point"),
    [
        (["start"], "  Starting {}"),
        (["enter"], "  Starting {}"),
        (["stop"], "  Stopping {}"),
        (["rm", "--force"], "  Deleting {}"),
    ],
)
@pytest.mark.usefixtures("_sound_daemon")
def test_incus_dies_meanwhile(alice: User, small: str, words: list[str], point: str) -> None:
    """Whatever was done to a container, it is whole afterwards, or gone."""
    if words[0] in ("start", "enter"):
        assert alice.kapsule("stop", "--force", small).code == 0
    with Command(alice, *words, small) as command:
        command.hear(point.format(small))
        kill_incus()
        result = command.end()
    if result.code:
        refused(result, code=125 if words[0] == "enter" else 1)
    until(lambda: status(small) in (None, "Running", "Stopped"))
    if status(small):
        assert alice.kapsule("rm", "--force", small).code == 0
    assert small not in instances()


def test_incus_hangs(alice: User, container: str, traceless: str) -> None:
    """Nobody who does not need Incus notices; who does can give up, and it is as if never asked."""
    with frozen(main_pid("incus.service")), Command(alice, "create", traceless, *BUSYBOX) as create:
        create.hear("Creating container")
        assert status(container) == "Running"
        assert alice.kapsule("enter", container, "--", "echo", "warm").text == "warm"
        create.send(signal.SIGINT)
        assert create.status() == 130


# --- the daemon


def test_without_the_daemon(alice: User) -> None:
    """Where nobody can start it, every verb says how; help and version need nobody."""
    systemctl("mask", "--runtime", "--now", DAEMON)
    try:
        for words in (["list"], ["create", "a"], ["rm", "a"], ["info", "a"], ["config"]):
            refused(alice.kapsule(*words), "Cannot connect to kapsule-daemon", "systemctl start")
        refused(alice.kapsule("enter"), "Cannot connect to kapsule-daemon", code=125)
        for words in (["--help"], ["--version"], ["create", "--help"], ["enter", "--help"]):
            assert alice.kapsule(*words).code == 0
    finally:
        systemctl("unmask", "--runtime", DAEMON)
    assert alice.kapsule("list").code == 0


def test_without_a_bus(alice: User) -> None:
    """There is no daemon without a system bus."""
    nowhere = {"DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"}
    refused(alice.kapsule("list", env=nowhere), "there is no system bus")
    refused(alice.kapsule("enter", env=nowhere), "there is no system bus", code=125)


@pytest.mark.parametrize("point", POINTS[1:])
def test_the_daemon_dies_during_create(alice: User, stormy: str, point: str) -> None:
    """Its successor removes what was begun, and says so; nobody sees or enters it meanwhile."""
    name, cursor, kill_daemon = stormy, traces.journal_cursor(), mortal_daemon()
    with Command(alice, "create", name, *DEBIAN) as create:
        create.hear(point.format(name))
        if point == POINTS[1]:  # what Incus has not begun, nobody has to remove
            until(lambda: name in instances())
        kill_daemon()
        result = create.end()
    if result.code == 0:  # it was through before
        _check_comes_back(alice, name)
        return
    refused(result, "kapsule-daemon stopped before it was done", "journalctl")
    while name in instances():
        assert status(name) is None
        assert alice.kapsule("enter", name, "--", "true").code == 125
    log = traces.journal_since(cursor)
    assert f"The creation of container {name} was never finished; removing it" in log
    assert alice.kapsule("create", name, *BUSYBOX).code == 0
    check_works(alice, name)


def _check_comes_back(user: User, name: str) -> None:
    """Check that a container is whole as soon as the next daemon knows it."""
    until(lambda: user.kapsule("list").code == 0)
    check_works(user, name)


def test_the_daemon_is_stopped_during_create(alice: User, stormy: str) -> None:
    """It undoes what was begun before it ends, and tells the caller."""
    with Command(alice, "create", stormy, *DEBIAN) as create:
        create.hear(POINTS[1].format(stormy))
        systemctl("stop", DAEMON)
        assert stormy not in instances()
        result = create.end()
    assert result.code == 1
    told = ("Operation cancelled", "kapsule-daemon stopped before it was done")
    assert any(text in result.error for text in told)
    systemctl("start", DAEMON)


def test_the_daemon_dies_during_an_enter(alice: User, stormy: str) -> None:
    """Who waits for the default container is told; the half of it that is there is removed."""
    kill_daemon = mortal_daemon()
    with (
        default_container(alice, stormy),
        Command(alice, "enter", "--", "true") as enter,
    ):
        enter.hear(POINTS[2].format(stormy))
        kill_daemon()
        result = enter.end()
    if result.code == 0:  # it was through before
        _check_comes_back(alice, stormy)
        return
    refused(result, "kapsule-daemon stopped before it was done", code=125)
    until(lambda: stormy not in instances())


@pytest.mark.parametrize(
    ("words", "point"),
    [(["stop"], "  Stopping {}"), (["rm", "--force"], "  Deleting {}"), (["restart"], "  St")],
)
def test_the_daemon_dies_meanwhile(alice: User, small: str, words: list[str], point: str) -> None:
    """A container that was being changed is whole afterwards, or gone."""
    kill_daemon = mortal_daemon()
    with Command(alice, *words, small) as command:
        command.hear(point.format(small))
        kill_daemon()
        refused(command.end(), "kapsule-daemon stopped before it was done")
    until(lambda: alice.kapsule("list").code == 0)
    alice.kapsule("rm", "--force", small)
    assert small not in instances()
    assert status(small) is None


def test_the_daemon_hangs(alice: User, container: str) -> None:
    """A session goes on as if nothing was; who waits for the daemon can leave."""
    script = "echo up; cat"
    words = ("kapsule", "enter", container, "--", "sh", "-c", script)
    with alice.popen(*words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"up\n"
        with frozen(main_pid(DAEMON)):
            for verb in ("list", "enter"):
                waiting = alice.popen("kapsule", verb, stdin=subprocess.DEVNULL)
                with pytest.raises(subprocess.TimeoutExpired):
                    waiting.wait(0.5)
                waiting.send_signal(signal.SIGINT)
                assert waiting.wait(10) == 130
            assert session.communicate(b"through")[0] == b"through"
    assert alice.kapsule("enter", container, "--", "echo", "again").text == "again"


@pytest.mark.usefixtures("_sound_daemon")
def test_the_session_helper_hangs(alice: User, container: str) -> None:
    """Whoever enters can leave; all else is answered, because the daemon waits for nobody."""
    assert alice.kapsule("enter", container, "--", "true").code == 0
    show = ["systemctl", "show", "--value", "--property=MainPID", "kapsule-session.service"]
    helper = int(subprocess.run(show, capture_output=True, check=True).stdout)
    with frozen(helper), Command(alice, "enter", container, "--", "true") as enter:
        time.sleep(0.3)
        assert status(container) == "Running"
        enter.send(signal.SIGINT)
        assert enter.status() == 130
    assert alice.kapsule("enter", container, "--", "echo", "again").text == "again"


def test_a_second_daemon(root: User) -> None:
    """It says that there is one, and leaves it alone."""
    pid = main_pid(DAEMON)
    result = root.run("/usr/lib/kapsule/kapsule-daemon")
    assert result.code == 1
    assert "Another daemon is org.kde.kapsule already" in result.error
    assert main_pid(DAEMON) == pid
