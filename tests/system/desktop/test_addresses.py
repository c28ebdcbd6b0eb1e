# SPDX-License-Identifier: GPL-3.0-or-later
"""The forms in which the caller's environment names a socket, and what becomes of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.desktop.guest import NOTHING, Guest
from tests.system.desktop.sockets import Speaker
from tests.system.support.users import User

# How a script in the guest gets a socket's path from the variable that names it.
IN_RUNTIME_DIRECTORY = 'case "$NAME" in /*) ;; *) NAME=$XDG_RUNTIME_DIR/$NAME;; esac'
IN_ADDRESS = "NAME=${NAME#unix:path=}; NAME=${NAME%%[,;]*}"
AFTER_COLON = "NAME=${NAME#unix:}"
PLAIN = ":"

# Where the socket is on the host, the variable, and how the guest gets the path out of it.
FORMS = {
    "wayland-name": ("{runtime}/wayland-9", "WAYLAND_DISPLAY=wayland-9", IN_RUNTIME_DIRECTORY),
    "wayland-path": ("{runtime}/wayland-9", "WAYLAND_DISPLAY={path}", IN_RUNTIME_DIRECTORY),
    "wayland-tmp": ("/tmp/tests/wayland-9", "WAYLAND_DISPLAY={path}", IN_RUNTIME_DIRECTORY),
    "wayland-blank": ("/tmp/tests/a b/way land", "WAYLAND_DISPLAY={path}", IN_RUNTIME_DIRECTORY),
    "pipewire-name": ("{runtime}/pipewire-9", "PIPEWIRE_REMOTE=pipewire-9", IN_RUNTIME_DIRECTORY),
    "pipewire-path": ("/tmp/tests/pipewire", "PIPEWIRE_REMOTE={path}", IN_RUNTIME_DIRECTORY),
    "pulse-unix": ("/tmp/tests/pulse", "PULSE_SERVER=unix:{path}", AFTER_COLON),
    "pulse-path": ("/tmp/tests/pulse", "PULSE_SERVER={path}", AFTER_COLON),
    "ssh-tmp": ("/tmp/tests/agent.77", "SSH_AUTH_SOCK={path}", PLAIN),
    "ssh-gnome": ("{runtime}/keyring/ssh", "SSH_AUTH_SOCK={path}", PLAIN),
    "ssh-home": ("/home/alice/.ssh/agent", "SSH_AUTH_SOCK={path}", PLAIN),
    "bus-tmp": ("/tmp/tests/bus", "DBUS_SESSION_BUS_ADDRESS=unix:path={path}", IN_ADDRESS),
    "bus-guid": (
        "/tmp/tests/bus",
        "DBUS_SESSION_BUS_ADDRESS=unix:path={path},guid=0123456789abcdef0123456789abcdef",
        IN_ADDRESS,
    ),
    "bus-escaped": (
        "/tmp/tests/b us",
        "DBUS_SESSION_BUS_ADDRESS=unix:path=/tmp/tests/b%20us",
        IN_ADDRESS,
    ),
}


@pytest.fixture(autouse=True)
def _no_leftovers(guest: Guest) -> Iterator[None]:
    """The folder that the forms put sockets in is the user's, and goes away."""
    guest.desktop.user.run("mkdir", "--parents", "/tmp/tests")
    yield
    guest.desktop.user.run("rm", "-r", "/tmp/tests")


@pytest.mark.parametrize("form", FORMS)
def test_forms(guest: Guest, form: str) -> None:
    """However a socket is named, the name that programs find inside leads to it."""
    desktop = guest.desktop
    where, assignment, resolve = FORMS[form]
    with Speaker(where.format(runtime=desktop.runtime), desktop.user) as speaker:
        name, _, value = assignment.format(path=speaker.path).partition("=")
        env = {**desktop.environment, name: value}
        script = f'NAME=${name}; {resolve}; nc -U "$NAME" < /dev/null'
        assert guest.shell(script, env) == speaker.word


def test_a_plain_wayland_name_stays(guest: Guest) -> None:
    """Programs that show or compare it see what they would on the host."""
    assert guest.variable("WAYLAND_DISPLAY") == "wayland-0"


def test_a_runtime_directory_elsewhere(guest: Guest) -> None:
    """What the caller's runtime directory holds is in the guest's own, under the usual names."""
    env = {"XDG_RUNTIME_DIR": "/tmp/tests", "WAYLAND_DISPLAY": "wayland-9"}
    user = guest.desktop.user
    with (
        Speaker("/tmp/tests/wayland-9", user) as wayland,
        Speaker("/tmp/tests/pulse/native", user) as pulse,
    ):
        script = "nc -U {} < /dev/null"
        assert guest.shell(script.format("$XDG_RUNTIME_DIR/wayland-9"), env) == wayland.word
        assert guest.shell(script.format("$XDG_RUNTIME_DIR/pulse/native"), env) == pulse.word
        assert guest.variable("XDG_RUNTIME_DIR", env) == guest.desktop.runtime


@pytest.mark.parametrize("display", [":7", ":7.0", "unix:7", "unix:7.0"])
def test_displays(guest: Guest, display: str) -> None:
    """Every form of a local display leads to it, as far as the system's X libraries know it."""
    env = {**guest.desktop.environment, "DISPLAY": display}
    guest.shell("true", env)
    assert guest.shares(guest.desktop.x11.path, guest.desktop.x11.path)
    assert guest.variable("DISPLAY", env) == display
    on_the_host = guest.desktop.user.run("xdpyinfo", env=env)
    assert guest.enter("xdpyinfo", env=env).code == on_the_host.code


def test_a_display_over_the_network(guest: Guest) -> None:
    """What `ssh -X` set up is reached over the network, so the variable stays."""
    env = {**guest.desktop.environment, "DISPLAY": "localhost:10.0"}
    assert guest.variable("DISPLAY", env) == "localhost:10.0"


@pytest.mark.parametrize(
    "form",
    [
        "unix:{path}",
        "{path}",
        "{{0123456789abcdef0123456789abcdef}}unix:/nowhere unix:{path}",
        "{{{machine}}}unix:{path}",
        "unix:/nowhere {path}",
    ],
)
def test_sound_servers(guest: Guest, form: str) -> None:
    """PULSE_SERVER is a list, and an entry may be for one machine only: PulseAudio's manual."""
    machine = Path("/etc/machine-id").read_text().strip()
    value = form.format(path=guest.desktop.pulse.path, machine=machine)
    env = {**guest.desktop.environment, "PULSE_SERVER": value}
    assert guest.desktop.pulse.answer in guest.desktop.user.run("pactl", "info", env=env).text
    assert guest.desktop.pulse.answer in guest.shell("pactl info", env)


def test_an_agent_behind_a_link(guest: Guest) -> None:
    """A link of the user's to the agent's socket, as people keep for tmux, is followed."""
    link = Path(guest.desktop.runtime, "ssh-link")
    link.symlink_to(guest.desktop.ssh.path)
    env = {**guest.desktop.environment, "SSH_AUTH_SOCK": str(link)}
    try:
        assert guest.desktop.ssh.answer in guest.shell("ssh-add -l", env)
    finally:
        link.unlink()


@pytest.mark.parametrize(
    "path",
    ["{runtime}/pipewire-0-manager", "{runtime}/p11-kit/pkcs11", "/run/cups/cups.sock"],
)
def test_sockets_without_a_variable(guest: Guest, root: User, path: str) -> None:
    """PipeWire's second socket, p11-kit's and CUPS's are where they are on the host."""
    user = root if path.startswith("/run/cups") else guest.desktop.user
    with Speaker(path.format(runtime=guest.desktop.runtime), user, mode=0o666) as speaker:
        assert guest.shell(f"nc -U {speaker.path} < /dev/null") == speaker.word


@pytest.mark.parametrize("name", ["systemd/private", "bus", "gnupg/S.gpg-agent"])
def test_a_server_of_another_kind(guest: Guest, name: str) -> None:
    """What is called a compositor does not take the place of the guest's own server."""
    env = {"XDG_RUNTIME_DIR": guest.desktop.runtime, "WAYLAND_DISPLAY": name}
    guest.shell("true", env)
    private = f"{guest.desktop.runtime}/systemd/private"
    assert not guest.shares(private, private)
    assert "systemd" in guest.shell("systemctl --user list-units --no-pager", env)


def test_an_agent_for_ssh_of_gpgs(guest: Guest) -> None:
    """Where gpg-agent is the ssh-agent, as many have it, it is in the guest."""
    path = f"{guest.desktop.runtime}/gnupg/S.gpg-agent.ssh"
    env = {**guest.desktop.environment, "SSH_AUTH_SOCK": path}
    inside = guest.variable("SSH_AUTH_SOCK", env)
    assert inside is not None
    assert guest.shares(inside, path)


def test_all_sockets_of_the_gpg_agent(guest: Guest) -> None:
    """Also the restricted one, the browsers' and that for ssh."""
    names = ("S.gpg-agent", "S.gpg-agent.extra", "S.gpg-agent.browser", "S.gpg-agent.ssh")
    guest.shell("true")
    for path in (f"{guest.desktop.runtime}/gnupg/{name}" for name in names):
        assert guest.shares(path, path)


def test_without_a_desktop(guest: Guest) -> None:
    """From a shell without any of the variables, there are none inside and no note."""
    result = guest.enter("env", env=NOTHING)
    assert result.code == 0
    assert "Note:" not in result.error
    names = ("WAYLAND_DISPLAY", "DISPLAY", "XAUTHORITY", "SSH_AUTH_SOCK", "PULSE_SERVER")
    assert not [line for line in result.text.splitlines() if line.startswith(names)]
