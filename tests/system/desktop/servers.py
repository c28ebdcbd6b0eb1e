# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers of a desktop on the host: units of its user's own systemd, as on real hosts."""

import os
import secrets
import shutil
import socket
import sys
import tempfile
from pathlib import Path

from tests.system.desktop.pictures import Picture, read_png, read_xwd
from tests.system.support.users import User
from tests.system.support.waiting import until

KEY_OWNER = "Alice <alice@example.org>"
SERVICE = "org.kde.kapsule.tests.HostOnly"
_FAMILY_LOCAL, _FAMILY_WILD = 256, 0xFFFF
_NO_SUCH_UNIT = 5  # systemctl(1), "Exit status"
# What is played is linked to it by WirePlumber, as to a sound card.
_PIPEWIRE_SINK = """context.objects = [{
    factory = adapter
    args = {
        factory.name = support.null-audio-sink
        node.name = loudspeaker
        media.class = Audio/Sink
        audio.position = [ MONO ]
        object.linger = true
    }
}]
"""
_PASSPHRASE = "only the host's agent remembers it"


class Server:
    """A server with a socket in the host's file system.

    path: the socket. program: what is run in a guest to talk to it; `answer` is in what that
    prints, if it was this server that it talked to.
    """

    program: tuple[str, ...] = ()
    answer = ""

    def __init__(self, user: User, path: str, *units: str) -> None:
        self.user = user
        self.path = path
        self._units = units

    def start(self) -> None:
        """Start it and wait until it listens."""
        # However often: systemd.unit(5), StartLimitBurst=.
        self.run("systemctl", "--user", "reset-failed", *self._units, codes=(0, 1, _NO_SUCH_UNIT))
        self.run("systemctl", "--user", "start", *self._units)
        self._wait()

    def stop(self) -> None:
        """Stop it. Its socket may stay behind, dead."""
        self.run("systemctl", "--user", "stop", *self._units, codes=(0, _NO_SUCH_UNIT))

    def restart(self) -> None:
        """Stop and start it; its socket is another one then."""
        self.stop()
        self.start()

    def run(self, *command: str, data: bytes = b"", codes: tuple[int, ...] = (0,)) -> str:
        """Run a command as the user and return its output. It must end with one of the codes."""
        result = self.user.run(*command, data=data, env={"XDG_RUNTIME_DIR": runtime(self.user)})
        assert result.code in codes, f"{command}: {result.error}"
        return result.text

    def _wait(self) -> None:
        until(lambda: listens(self.path))


class _Program(Server):
    """A server that is a transient unit."""

    def __init__(self, user: User, path: str, *command: str) -> None:
        super().__init__(user, path, f"kapsule-test-{secrets.token_hex(4)}.service")
        self._command = command

    def start(self) -> None:
        """Start it and wait until it listens."""
        options = ("--user", "--quiet", "--collect", f"--unit={self._units[0]}")
        self.run("systemd-run", *options, "--", *self._command)
        self._wait()


class Weston(_Program):
    """A Wayland compositor without hardware, whose screen can be looked at."""

    program = ("wayland-info",)
    answer = "wl_compositor"

    def __init__(self, user: User, path: str) -> None:
        name = path.rpartition("/")[2]
        renderer = ("--backend=headless-backend.so", "--use-pixman")
        # The debug protocol takes pictures.
        screen = ("--shell=desktop-shell.so", "--width=640", "--height=480", "--debug")
        common = ("--no-config", "--idle-time=0", f"--socket={name}")
        super().__init__(user, path, "weston", *renderer, *screen, *common)
        self._display = name

    def picture(self) -> Picture:
        """Take a picture of the screen."""
        with tempfile.TemporaryDirectory() as folder:
            shutil.chown(folder, self.user.name)
            command = ("env", "--chdir", folder, f"WAYLAND_DISPLAY={self._display}")
            self.run(*command, "weston-screenshooter")
            return read_png(next(Path(folder).glob("*.png")).read_bytes())


class XServer(_Program):
    """An X server whose screen is a file, and which asks for a cookie.

    number: that of its display. authority: the cookie's file.
    """

    program = ("xdpyinfo",)

    def __init__(self, user: User, number: int) -> None:
        self.answer = f"name of display:    :{number}"
        self.authority = f"{runtime(user)}/xauth_tests{number}"
        folder = f"{runtime(user)}/screen{number}"
        self._screen = Path(folder, "Xvfb_screen0")
        self.number = number
        self.cookie = b""
        command = ("Xvfb", f":{number}", "-auth", self.authority, "-fbdir", folder, "-noreset")
        # Without the abstract socket, which a guest in the host's network reaches by itself.
        listening = ("-nolisten", "tcp", "-nolisten", "local")
        screen = ("-screen", "0", "320x240x24")
        super().__init__(user, f"/tmp/.X11-unix/X{number}", *command, *listening, *screen)

    def start(self) -> None:
        """Write the file of a new cookie as startx does, and start."""
        self.run("mkdir", "--parents", str(self._screen.parent))
        self.cookie = secrets.token_bytes(16)
        self.write_authority(self.authority, entry(self.number, self.cookie, os.uname().nodename))
        super().start()

    def picture(self) -> Picture:
        """Take a picture of the screen."""
        return read_xwd(self._screen.read_bytes())

    def write_authority(self, path: str, content: bytes) -> None:
        """Write a file of cookies that only the user may read."""
        self.run("sh", "-c", 'umask 77 && cat > "$1"', "sh", path, data=content)


class PulseAudio(Server):
    """The sound server, whose only sink drops what it gets but lets it be recorded."""

    program = ("pactl", "info")
    answer = "Host Name: box"

    def __init__(self, user: User) -> None:
        units = ("pulseaudio.socket", "pulseaudio.service")
        super().__init__(user, f"{runtime(user)}/pulse/native", *units)


class PipeWire(Server):
    """The multimedia server."""

    program = ("pw-cli", "info", "0")
    answer = 'host-name: "box"'

    def __init__(self, user: User) -> None:
        units = ("pipewire.socket", "pipewire.service", "wireplumber.service")
        super().__init__(user, f"{runtime(user)}/pipewire-0", *units)

    def start(self) -> None:
        """Start it with a sink that drops what it gets, but lets it be recorded."""
        folder = f"{self.user.account.pw_dir}/.config/pipewire/pipewire.conf.d"
        self.run("mkdir", "--parents", folder)
        self.run("sh", "-c", f"cat > {folder}/sink.conf", data=_PIPEWIRE_SINK.encode())
        super().start()


class SessionBus(Server):
    """The session bus, with a service on it that no guest has."""

    program = ("busctl", "--user", "call", SERVICE, "/", SERVICE, "Word")

    def __init__(self, user: User) -> None:
        self._service = "kapsule-test-service.service"
        units = ("dbus.socket", "dbus.service", self._service)
        super().__init__(user, f"{runtime(user)}/bus", *units)
        self.answer = secrets.token_hex(8)

    def start(self) -> None:
        """Start the bus, and the service on it."""
        self.run("systemctl", "--user", "start", "dbus.socket")
        self._wait()
        options = ("--user", "--quiet", "--collect", f"--unit={self._service}")
        program = Path(__file__).with_name("host_only_service.py")
        command = (sys.executable, str(program), SERVICE, self.answer)
        address = f"--setenv=DBUS_SESSION_BUS_ADDRESS=unix:path={self.path}"
        self.run("systemd-run", *options, address, "--", *command)
        until(lambda: SERVICE in self.run("busctl", "--user", "--acquired", "list"))


class SshAgent(_Program):
    """An ssh-agent with one key."""

    program = ("ssh-add", "-l")

    def __init__(self, user: User, path: str) -> None:
        super().__init__(user, path, "ssh-agent", "-D", "-a", path)
        self._key = f"{runtime(user)}/ssh-key"
        self.answer = f"key of {secrets.token_hex(4)}"

    def start(self) -> None:
        """Start it with the key."""
        if not Path(self._key).exists():
            kind = ("-q", "-t", "ed25519", "-N", "", "-C", self.answer)
            self.run("ssh-keygen", *kind, "-f", self._key)
        Path(self.path).unlink(missing_ok=True)
        super().start()
        self.run("env", f"SSH_AUTH_SOCK={self.path}", "ssh-add", "-q", self._key)


class GpgAgent(Server):
    """The gpg-agent, which alone knows the passphrase of the user's key."""

    program = ("gpg-connect-agent", "--no-autostart", "getinfo pid", "/bye")

    def __init__(self, user: User) -> None:
        names = ("gpg-agent.socket", "gpg-agent-extra.socket", "gpg-agent-ssh.socket")
        units = (*names, "gpg-agent-browser.socket", "gpg-agent.service")
        super().__init__(user, f"{runtime(user)}/gnupg/S.gpg-agent", *units)

    def start(self) -> None:
        """Start it and have it remember the passphrase."""
        super().start()
        phrase = ("--batch", "--pinentry-mode=loopback", "--passphrase", _PASSPHRASE)
        if KEY_OWNER not in self.run("gpg", "--list-secret-keys"):
            self.run("gpg", *phrase, "--quick-gen-key", KEY_OWNER, "ed25519", "sign", "never")
        self.run("gpg", *phrase, "--sign", data=b"to be remembered")
        self.answer = self.run(*self.program).splitlines()[0]


def runtime(user: User) -> str:
    """Return the user's runtime directory: pam_systemd(8)."""
    return f"/run/user/{user.account.pw_uid}"


def listens(path: str) -> bool:
    """Say whether somebody accepts connections at a socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except OSError:
            return False
    return True


def entry(display: int, cookie: bytes, host: str = "") -> bytes:
    """Return an entry of .Xauthority, as Xau(3) has it.

    host: the name of the host that it is good on, as startx writes it; every host if it is empty.
    """
    family = _FAMILY_LOCAL if host else _FAMILY_WILD
    fields = (host.encode(), str(display).encode(), b"MIT-MAGIC-COOKIE-1", cookie)
    return family.to_bytes(2) + b"".join(len(each).to_bytes(2) + each for each in fields)
