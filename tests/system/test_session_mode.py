# SPDX-License-Identifier: GPL-3.0-or-later
"""Session mode: the container has a user session of its own, with a bus that is not the host's."""

import os
import time
from collections.abc import Iterator

import pytest

from tests.system.desktop.servers import SERVICE, SessionBus
from tests.system.support import user_manager
from tests.system.support.users import Result, User, incus
from tests.system.support.waiting import until

NAME = "t-session"
GET_ID = "busctl --user call org.freedesktop.DBus / org.freedesktop.DBus GetId"
INSIDE = "org.kde.kapsule.tests.Inside"
# The container has no Python, but sees the host's, which is made for the same Debian.
HOSTS_PYTHON = (
    "--setenv=PYTHONHOME=/.kapsule/host/usr",
    "--setenv=PYTHONPATH=/.kapsule/host/usr/lib/kapsule-test-deps",
    "--setenv=DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus",
    "/.kapsule/host/usr/bin/python3",
    "/.kapsule/host/src/tests/system/desktop/host_only_service.py",
)


@pytest.fixture(scope="module")
def own(alice: User) -> Iterator[str]:
    """A container in session mode, which tests share."""
    result = alice.kapsule("create", NAME, "--image", "local:debian", "--session-mode")
    assert result.code == 0, result.error
    yield NAME
    incus("delete", "--force", NAME, check=False)


@pytest.fixture(scope="module")
def host_bus(alice: User) -> Iterator[dict[str, str]]:
    """A session bus of alice's on the host, and the variables by which her programs find it."""
    yield user_manager.log_in(alice)
    user_manager.log_out(alice)


def _sh(user: User, name: str, script: str, env: dict[str, str] | None = None) -> Result:
    return user.kapsule("enter", name, "--", "sh", "-c", script, env=env)


def _bus_of(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def test_the_first_enter_finds_the_services(
    alice: User, own: str, host_bus: dict[str, str]
) -> None:
    """The manager answers, as the first thing that is ever asked."""
    result = _sh(alice, own, "systemctl --user is-system-running", host_bus)
    assert result.text in ("running", "degraded", "starting"), result.error
    assert "/run/user/1000/bus" not in incus("exec", own, "--", "cat", "/proc/self/mountinfo")


def test_the_bus_is_the_containers(alice: User, own: str, host_bus: dict[str, str]) -> None:
    """Its socket is another one, and the bus behind it another bus."""
    inside = _sh(alice, own, "stat -c %d:%i $XDG_RUNTIME_DIR/bus", host_bus).text
    outside = _bus_of(f"{host_bus['XDG_RUNTIME_DIR']}/bus")
    assert inside
    assert inside != f"{outside[0]}:{outside[1]}"
    theirs, ours = _sh(alice, own, GET_ID, host_bus), alice.run("sh", "-c", GET_ID, env=host_bus)
    assert theirs.text.startswith("s "), theirs.error
    assert ours.text.startswith("s "), ours.error
    assert theirs.text != ours.text


def test_a_service_of_the_host(
    alice: User, own: str, container: str, host_bus: dict[str, str]
) -> None:
    """It answers in default mode, and in session mode there is no such name."""
    server = SessionBus(alice)
    server.start()  # it ends with alice's session
    seen = alice.kapsule("enter", container, "--", *server.program, env=host_bus)
    unseen = alice.kapsule("enter", own, "--", *server.program, env=host_bus)
    assert seen.text == f's "{server.answer}"', seen.error
    assert unseen.code != 0
    assert unseen.text == ""
    assert SERVICE in unseen.error


def test_a_service_of_the_container(alice: User, own: str, host_bus: dict[str, str]) -> None:
    """It answers inside, and on the host there is no such name."""
    ask = ("busctl", "--user", "call", INSIDE, "/", INSIDE, "Word")
    run = ("systemd-run", "--user", "--quiet", "--collect", *HOSTS_PYTHON)
    started = alice.kapsule("enter", own, "--", *run, INSIDE, "within", env=host_bus)
    assert started.code == 0, started.error
    until(lambda: alice.kapsule("enter", own, "--", *ask, env=host_bus).text == 's "within"')
    unseen = alice.run(*ask, env=host_bus)
    assert unseen.code != 0
    assert INSIDE in unseen.error


def test_services_run_without_a_session(alice: User, own: str) -> None:
    """The user lingers: after a start their services run before anybody enters."""
    assert alice.kapsule("restart", "--force", own).code == 0
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        ask = ("exec", own, "--", "systemctl", "is-active", "user@1000.service")
        if incus(*ask, check=False).strip() == "active":
            break
        time.sleep(0.1)
    else:
        raise AssertionError("the user's manager did not start")
    assert _sh(alice, own, "systemctl --user is-active dbus.socket").text == "active"


def test_a_unit_of_the_user(alice: User, own: str) -> None:
    """Programs can be started as services of the user's."""
    result = _sh(alice, own, "systemd-run --user --wait --pipe --quiet sh -c 'echo $USER'")
    assert result.text == "alice", result.error


def test_default_mode_has_the_hosts_bus(
    alice: User, container: str, host_bus: dict[str, str]
) -> None:
    """Without session mode the bus inside is the host's."""
    inside = _sh(alice, container, "stat -c %d:%i $XDG_RUNTIME_DIR/bus", host_bus).text
    outside = _bus_of(f"{host_bus['XDG_RUNTIME_DIR']}/bus")
    assert inside == f"{outside[0]}:{outside[1]}"


def test_a_guest_without_systemd(alice: User, fresh_name: str) -> None:
    """It cannot have a session; entering says so and what does work, root gets in."""
    words = ("--image", "local:busybox", "--session-mode")
    assert alice.kapsule("create", fresh_name, *words).code == 0
    result = alice.kapsule("enter", fresh_name, "--", "true")
    assert result.code == 125
    assert "cannot run a user session of its own" in result.error
    assert "takes an image with systemd" in result.error
    assert alice.kapsule("enter", "--root", fresh_name, "--", "true").code == 0


def test_a_guest_without_a_bus(alice: User, fresh_name: str) -> None:
    """The error names what is missing, and once it is there and restarted the enter works."""
    words = ("--image", "local:debian", "--session-mode")
    assert alice.kapsule("create", fresh_name, *words).code == 0
    unit = "/usr/lib/systemd/user/dbus.socket"
    move = ("exec", fresh_name, "--", "mv")
    incus(*move, unit, "/root/dbus.socket")
    result = alice.kapsule("enter", fresh_name, "--", "true")
    assert result.code == 125
    assert "has no session bus" in result.error
    incus(*move, "/root/dbus.socket", unit)
    assert alice.kapsule("restart", "--force", fresh_name).code == 0
    again = alice.kapsule("enter", fresh_name, "--", "true")
    assert again.code == 0, again.error
