# SPDX-License-Identifier: GPL-3.0-or-later
"""A desktop session on the host, with everything that a guest may use."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from tests.system.desktop import servers
from tests.system.support import user_manager
from tests.system.support.users import User

_SSH_FOLDER = "/tmp/ssh-tests"
_SETTINGS = (
    ".gnupg",
    ".config/pulse",
    ".config/pipewire",
    ".local/state/pipewire",
    ".Xauthority",
    ".ssh",
)


class Desktop:
    """All servers, and the environment by which programs find them."""

    def __init__(self, user: User) -> None:
        runtime = servers.runtime(user)
        self.user = user
        self.runtime = runtime
        self.wayland = servers.Weston(user, f"{runtime}/wayland-0")
        self.x11 = servers.XServer(user, 7)
        self.pulse = servers.PulseAudio(user)
        self.pipewire = servers.PipeWire(user)
        self.bus = servers.SessionBus(user)
        self.ssh = servers.SshAgent(user, f"{_SSH_FOLDER}/agent.1")
        self.gpg = servers.GpgAgent(user)
        self.environment = {
            "XDG_RUNTIME_DIR": runtime,
            "WAYLAND_DISPLAY": "wayland-0",
            "DISPLAY": f":{self.x11.number}",
            "XAUTHORITY": self.x11.authority,
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={runtime}/bus",
            "SSH_AUTH_SOCK": self.ssh.path,
        }

    def server(self, name: str) -> servers.Server:
        """Return one of NAMES."""
        server = getattr(self, name)
        assert isinstance(server, servers.Server)
        return server

    def log_in(self) -> None:
        """Start the user's systemd and all servers; what it has started itself is started anew."""
        user_manager.log_in(self.user)
        self.user.run("mkdir", "--parents", "--mode=700", _SSH_FOLDER)
        for name in NAMES:
            self.server(name).restart()

    def log_out(self) -> None:
        """End the user's systemd, with all servers; the runtime directory goes away."""
        user_manager.log_out(self.user)
        shutil.rmtree(_SSH_FOLDER, ignore_errors=True)


NAMES = ("bus", "wayland", "x11", "pulse", "pipewire", "ssh", "gpg")


@contextmanager
def logged_in(user: User) -> Iterator[Desktop]:
    """Yield the desktop of a user who is logged in as long as the block runs."""
    desktop = Desktop(user)
    try:
        desktop.log_in()
        yield desktop
    finally:
        desktop.log_out()
        user.run("rm", "--recursive", "--force", "--", *_SETTINGS)
