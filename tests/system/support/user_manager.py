# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's own systemd and session bus on the host, as a login starts them."""

import subprocess
from pathlib import Path

from tests.system.support.users import User
from tests.system.support.waiting import until

# systemd takes its name some time after the bus takes connections.
_ASK = ("busctl", "--user", "--no-pager", "status", "org.freedesktop.systemd1")


def log_in(user: User) -> dict[str, str]:
    """Start them; return the variables by which the user's programs find them.

    They are started from nothing: logind starts none beside one that it is about to end.
    """
    log_out(user)
    runtime = _runtime(user)
    variables = {
        "XDG_RUNTIME_DIR": str(runtime),
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={runtime}/bus",
    }
    subprocess.run(["loginctl", "enable-linger", user.name], check=True)
    until(lambda: (runtime / "bus").is_socket() and user.run(*_ASK, env=variables).code == 0)
    return variables


def log_out(user: User) -> None:
    """End them, with all that they run; the runtime directory goes away."""
    subprocess.run(["loginctl", "disable-linger", user.name], check=True)
    subprocess.run(["loginctl", "terminate-user", user.name], stderr=subprocess.DEVNULL)
    until(lambda: not _runtime(user).exists())


def _runtime(user: User) -> Path:
    return Path(f"/run/user/{user.account.pw_uid}")
