# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until the user's own services run in a container. Runs inside it, as its root."""

import os
import socket
import time

from kapsule.errors import GuestError

_DEADLINE = 30.0  # seconds
_PAUSE = 0.02
_UNITS = ("/usr/lib/systemd/user/dbus.socket", "/etc/systemd/user/dbus.socket")
_NO_SESSION = "The container cannot run a user session of its own"


def check_guest(has_login: bool) -> None:
    """Raise GuestError where the guest cannot have a user session.

    has_login: whether it has what a login takes: su and PAM.
    """
    if not has_login or not os.path.isdir("/run/systemd/system"):  # sd_booted(3)
        raise GuestError(
            _NO_SESSION,
            hint="Session mode takes an image with systemd. `kapsule enter --root` works.",
        )
    if not any(map(os.path.exists, _UNITS)):
        raise GuestError(
            f"{_NO_SESSION}: it has no session bus",
            hint="`kapsule enter --root`, install it (Debian: dbus-user-session) and restart.",
        )


def wait(uid: int) -> None:
    """Wait until the user's session bus takes calls. Raises GuestError after 30 seconds."""
    deadline = time.monotonic() + _DEADLINE
    while not listens(f"/run/user/{uid}/bus"):
        if time.monotonic() > deadline:
            raise GuestError(
                "The user's services in the container have not come up",
                hint=f"`kapsule enter --root` and see `systemctl status user@{uid}.service`.",
            )
        time.sleep(_PAUSE)


def listens(path: str) -> bool:
    """Say whether a bus takes calls at a socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bus:
        bus.settimeout(1.0)
        try:
            bus.connect(path)
        except OSError:
            return False
    return True
