# SPDX-License-Identifier: GPL-3.0-or-later
"""What an isolated container has of the desktop: windows, or nothing."""

import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.desktop.desktop import Desktop, logged_in
from tests.system.desktop.guest import Guest as DesktopGuest
from tests.system.support.users import User

_ASK = "use IO::Socket::UNIX; print IO::Socket::UNIX->new($ARGV[0])->getline"
_KEPT = ("x11", "bus", "ssh", "gpg", "pulse", "pipewire")


@pytest.fixture(scope="module")
def desktop(alice: User) -> Iterator[Desktop]:
    """The desktop that alice is logged in to."""
    with logged_in(alice) as desktop:
        yield desktop


@pytest.fixture(scope="module")
def project(desktop: Desktop) -> Iterator[DesktopGuest]:
    """An isolated container with programs for the desktop."""
    guest = DesktopGuest("project-desktop", desktop)
    guest.create("--trust", "project")
    yield guest
    guest.delete()


@pytest.fixture(scope="module")
def sealed(desktop: Desktop) -> Iterator[DesktopGuest]:
    """The same with the trust `sealed`."""
    guest = DesktopGuest("sealed-desktop", desktop)
    guest.create("--trust", "sealed")
    yield guest
    guest.delete()


@pytest.mark.main
def test_windows(project: DesktopGuest) -> None:
    """The compositor takes the programs inside for their user's."""
    server = project.desktop.server("wayland")
    result = project.enter(*server.program)
    assert server.answer in result.text, result.error


@pytest.mark.parametrize("name", _KEPT)
def test_neither_x11_nor_the_bus_nor_agents_nor_sound(project: DesktopGuest, name: str) -> None:
    """What acts in the user's name is not there, nor what types into windows of theirs, nor what
    loads libraries that a client names.
    """
    server = project.desktop.server(name)
    assert server.answer not in project.enter(*server.program).text
    assert not project.shares(server.path, server.path)


def test_variables(project: DesktopGuest) -> None:
    """Those of what is shared name it; the others are not there, or name the guest's own."""
    found = project.variables()
    assert found["WAYLAND_DISPLAY"] == "wayland-0"
    assert "SSH_AUTH_SOCK" not in found
    assert found["DBUS_SESSION_BUS_ADDRESS"] == f"unix:path={project.desktop.runtime}/bus"


def test_no_file_of_the_hosts(project: DesktopGuest) -> None:
    """Only sockets: the container's root could write to a file of its owner's."""
    project.shell("true")
    names = {mount.point.rpartition("/")[2] for mount in project.additions()}
    assert names == {"wayland-0", "kapsule-host-bus"}


@pytest.mark.main
def test_x11_for_who_asks_for_it(desktop: Desktop) -> None:
    """With `--x11` the display and a copy of its cookies are there, and still no file."""
    guest = DesktopGuest("project-x11", desktop)
    try:
        guest.create("--trust", "project", "--x11")
        server = desktop.server("x11")
        result = guest.enter(*server.program)
        assert server.answer in result.text, result.error
        names = {mount.point.rpartition("/")[2] for mount in guest.additions()}
        assert names == {"wayland-0", "X7", "kapsule-host-bus"}
    finally:
        guest.delete()


def test_a_desktop_of_x11_alone(project: DesktopGuest) -> None:
    """Who has no Wayland hears why there are no windows."""
    environment = {**project.desktop.environment}
    del environment["WAYLAND_DISPLAY"]
    result = project.enter("env", env=environment)
    assert "DISPLAY" not in result.text
    assert "--x11" in result.error


def test_a_restarted_server(project: DesktopGuest) -> None:
    """Its new socket takes the place of the dead one."""
    server = project.desktop.server("wayland")
    server.restart()
    result = project.enter(*server.program)
    assert server.answer in result.text, result.error


@pytest.mark.main
def test_who_the_host_sees(project: DesktopGuest) -> None:
    """A server that asks the kernel hears the user's own uid and gid: unix(7), SO_PEERCRED."""
    account = project.desktop.user.account
    with _inquirer(project.desktop) as name:
        result = project.enter(
            *("perl", "-e", _ASK, f"{project.desktop.runtime}/{name}"),
            env={**project.desktop.environment, "WAYLAND_DISPLAY": name},
        )
        assert result.text == f"{account.pw_uid} {account.pw_gid}", result.error


def test_servers_in_the_network(project: DesktopGuest) -> None:
    """Names that make sense in the host's network only don't pass, and one is told."""
    variables = {
        "PULSE_SERVER": "tcp:box",
        "DBUS_SESSION_BUS_ADDRESS": "unix:abstract=/tmp/dbus",
    }
    result = project.enter("env", env={**project.desktop.environment, **variables})
    assert "PULSE_SERVER" not in result.text
    assert "abstract" not in result.text
    assert result.error.count("has a network of its own") == len(variables)


def test_sealed_has_nothing(sealed: DesktopGuest) -> None:
    """No socket and no variable, and no word about it."""
    result = sealed.enter("env", "-0")
    names = {entry.partition("=")[0] for entry in result.text.split("\0")}
    assert not names & {"DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "SSH_AUTH_SOCK", "PULSE_SERVER"}
    assert "Note" not in result.error
    assert sealed.additions() == []


@contextmanager
def _inquirer(desktop: Desktop) -> Iterator[str]:
    """Have a server in the user's runtime directory that tells whom the kernel says it talks to."""
    name, account = "wayland-7", desktop.user.account
    path = Path(desktop.runtime, name)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        os.chown(path, account.pw_uid, account.pw_gid)
        listener.listen()
        threading.Thread(target=_tell, args=(listener,), daemon=True).start()
        yield name
    path.unlink()


def _tell(listener: socket.socket) -> None:
    channel, _ = listener.accept()
    with channel:
        credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        _, uid, gid = struct.unpack("3i", credentials)
        channel.sendall(f"{uid} {gid}\n".encode())
