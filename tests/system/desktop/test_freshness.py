# SPDX-License-Identifier: GPL-3.0-or-later
"""What is shared follows the host: servers restart, sockets come and go, people log out and in."""

import subprocess
from pathlib import Path

import pytest

from tests.system.desktop.desktop import NAMES
from tests.system.desktop.guest import NOTHING, Guest, Session
from tests.system.desktop.servers import Weston
from tests.system.desktop.sockets import Speaker
from tests.system.support.users import incus
from tests.system.support.waiting import until

ALL = [pytest.param(name, marks=pytest.mark.main) if name == "wayland" else name for name in NAMES]


@pytest.mark.parametrize("name", ALL)
def test_a_server_that_restarted(guest: Guest, name: str) -> None:
    """The next enter brings the new socket, to itself and to sessions that run already."""
    server = guest.desktop.server(name)
    with Session(guest) as other:
        server.restart()
        assert server.answer in guest.enter(*server.program).text
        words = " ".join(f"'{word}'" for word in server.program)
        assert server.answer in other.run(words)


def test_a_server_that_restarts_often(guest: Guest) -> None:
    """Each time the next enter finds it, and nothing piles up."""
    guest.shell("true")
    before = [mount.point for mount in guest.mounts()]
    for _ in range(5):
        guest.desktop.pipewire.restart()
        assert guest.desktop.pipewire.answer in guest.shell("pw-cli info 0")
    assert sorted(mount.point for mount in guest.mounts()) == sorted(before)


def test_a_server_that_starts_late(guest: Guest) -> None:
    """A socket that was not there at the first enter is there at the next."""
    pipewire = guest.desktop.pipewire
    pipewire.stop()
    Path(pipewire.path).unlink()
    try:
        assert guest.enter("pw-cli", "info", "0", timeout=30).code != 0
    finally:
        pipewire.start()
    assert pipewire.answer in guest.shell("pw-cli info 0")


def test_a_first_enter_before_everything(new_guest: Guest) -> None:
    """A container that was first entered without a desktop has it when there is one."""
    path = f"{new_guest.desktop.runtime}/wayland-0"
    assert new_guest.enter("true", env=NOTHING).code == 0
    assert not new_guest.shares(path, path)
    new_guest.shell("true")
    assert new_guest.shares(path, path)


def test_nothing_changed(guest: Guest) -> None:
    """Enters without a change on the host mount nothing, and take nothing away."""
    guest.shell("true")
    before = guest.mounts()
    for _ in range(3):
        guest.shell("true")
    assert guest.mounts() == before


def test_two_terminals(guest: Guest) -> None:
    """Sessions with different compositors work side by side, whichever was entered last."""
    desktop = guest.desktop
    second = Weston(desktop.user, f"{desktop.runtime}/wayland-1")
    second.start()
    env = {**desktop.environment, "WAYLAND_DISPLAY": "wayland-1"}
    try:
        with Session(guest) as one, Session(guest, env) as other:
            for session, name in ((one, "wayland-0"), (other, "wayland-1"), (one, "wayland-0")):
                assert session.run("echo $WAYLAND_DISPLAY") == name
                assert Weston.answer in session.run("wayland-info")
            before = guest.mounts()
            guest.shell("wayland-info", env)
            guest.shell("wayland-info")
            assert guest.mounts() == before
    finally:
        second.stop()


def test_two_sockets_of_one_name(guest: Guest) -> None:
    """Compositors and agents that differ in the folder only don't take each other's place."""
    user = guest.desktop.user
    for variable in ("WAYLAND_DISPLAY", "SSH_AUTH_SOCK"):
        script = f'nc -U "${variable}" < /dev/null || nc -U "$XDG_RUNTIME_DIR/${variable}"'
        with (
            Speaker("/tmp/tests-1/socket", user) as one,
            Speaker("/tmp/tests-2/socket", user) as two,
            Session(guest, {**guest.desktop.environment, variable: one.path}) as first,
            Session(guest, {**guest.desktop.environment, variable: two.path}) as second,
        ):
            assert first.run(script) == one.word
            assert second.run(script) == two.word


def test_a_new_cookie(guest: Guest) -> None:
    """Desktops make a new cookie at each start: the next enter has it, for older sessions too."""
    x11 = guest.desktop.x11
    with Session(guest) as other:
        x11.restart()
        assert x11.answer not in other.run("xdpyinfo 2>&1")
        assert x11.answer in guest.shell("xdpyinfo")
        assert x11.answer in other.run("xdpyinfo")


def test_a_server_that_died(guest: Guest) -> None:
    """A socket that nobody listens at any more keeps nobody out."""
    with Speaker(f"{guest.desktop.runtime}/wayland-8", guest.desktop.user) as speaker:
        speaker.stop()
        env = {**guest.desktop.environment, "WAYLAND_DISPLAY": "wayland-8"}
        assert guest.enter("echo", "in", env=env).text == "in"


@pytest.mark.parametrize("name", ["pipewire-0", "pulse/native", "wayland-0", "bus"])
def test_the_guests_own_server(new_guest: Guest, name: str) -> None:
    """Where the host has no such socket, the one of a server in the guest stays, and lives."""
    desktop = new_guest.desktop
    path = f"{desktop.runtime}/{name}"
    new_guest.shell("true", env=NOTHING)
    if name != "bus":  # the guest's systemd has made that
        listen = f"--socket-property=ListenStream={path}"
        new_guest.shell(f"systemd-run --user --unit=own {listen} cat", env=NOTHING)
    before = new_guest.path(path).lstat()
    servers = {"pipewire-0": "pipewire", "pulse/native": "pulse", "wayland-0": "wayland"}
    server = desktop.server(servers.get(name, name))
    server.stop()
    Path(path).unlink(missing_ok=True)
    try:
        assert new_guest.enter("true").code == 0
        assert path not in [mount.point for mount in new_guest.mounts()]
        assert new_guest.path(path).lstat().st_ino == before.st_ino
        assert "LISTEN" in new_guest.shell(f"ss -xl src {path}", env=NOTHING)
    finally:
        server.start()


def test_the_host_logs_out_and_in(guest: Guest) -> None:
    """After a new login on the host everything in its runtime directory is new."""
    desktop = guest.desktop
    with Session(guest):
        desktop.log_out()
        assert guest.enter("echo", "in", env=NOTHING).text == "in"
        desktop.log_in()
        for server in map(desktop.server, NAMES):
            assert server.answer in guest.enter(*server.program).text


def test_the_guests_login_ends(guest: Guest) -> None:
    """The guest's logind unmounts the runtime directory; the next login gets a complete one."""
    guest.shell("true")
    guest.as_root("loginctl terminate-user alice")
    until(lambda: not any(each.point == guest.desktop.runtime for each in guest.mounts()))
    for server in map(guest.desktop.server, NAMES):
        assert server.answer in guest.enter(*server.program).text


@pytest.mark.parametrize("repeat", range(2))
def test_right_after_the_guests_start(guest: Guest, repeat: int) -> None:
    """What the guest's boot and its tmpfiles rules do comes before, or takes nothing away."""
    incus("restart", "--force", guest.name)
    for name in ("x11", "wayland", "bus"):
        server = guest.desktop.server(name)
        assert server.answer in guest.enter(*server.program).text
    guest.wait_for_boot()
    for server in map(guest.desktop.server, NAMES):
        assert server.answer in guest.enter(*server.program).text


def test_the_guests_tmpfiles(guest: Guest) -> None:
    """Rules that empty /tmp/.X11-unix leave the display; a session that runs does not lose it."""
    with Session(guest) as session:
        guest.as_root("systemd-tmpfiles --create --remove --clean --boot || true")
        assert guest.desktop.x11.answer in session.run("xdpyinfo")
    assert guest.desktop.x11.answer in guest.shell("xdpyinfo")


def test_the_daemon_restarts(guest: Guest) -> None:
    """What was mounted before stays, and is not mounted again."""
    guest.shell("true")
    before = guest.mounts()
    subprocess.run(["systemctl", "restart", "kapsule-daemon.service"], check=True)
    guest.shell("wayland-info")
    assert guest.mounts() == before
