# SPDX-License-Identifier: GPL-3.0-or-later
"""The box's real polkit: rules for the time of a test, and sessions at a seat."""

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.system.support.users import Result, User

RULES = Path("/etc/polkit-1/rules.d/10-kapsule-test.rules")
PREFIX = "org.kde.kapsule."

_PATIENCE = 20.0


@contextlib.contextmanager
def allowed(user: User, *actions: str, result: str = "YES") -> Iterator[None]:
    """Have polkit say this for the user within the block. actions: the last parts of their ids."""
    ids = json.dumps([PREFIX + action for action in actions])
    with rule(
        f"if ({ids}.indexOf(action.id) >= 0 && subject.user == '{user.name}') "
        f"return polkit.Result.{result};"
    ):
        yield


@contextlib.contextmanager
def rule(body: str) -> Iterator[None]:
    """Have polkit follow a rule within the block. body: of its function, in JavaScript."""
    RULES.write_text(f"polkit.addRule(function(action, subject) {{ {body} }});\n")
    RULES.chmod(0o644)
    _reload()
    try:
        yield
    finally:
        RULES.unlink()
        _reload()


@contextlib.contextmanager
def without_polkit() -> Iterator[None]:
    """Have no polkit within the block, and none that could be started."""
    subprocess.run(["systemctl", "--quiet", "mask", "--runtime", "--now", "polkit"], check=True)
    try:
        yield
    finally:
        subprocess.run(["systemctl", "--quiet", "unmask", "--runtime", "polkit"], check=True)


def at_the_seat(user: User, *command: str) -> Result:
    """Run a command in an active local session of the user's: pam_systemd(8)."""
    session = ("XDG_SEAT=seat0", "XDG_SESSION_TYPE=wayland", "XDG_SESSION_CLASS=user")
    words = ["systemd-run", "--quiet", "--pipe", "--wait", "--property=PAMName=login"]
    words += [f"--property=User={user.name}", *(f"--setenv={each}" for each in session)]
    done = subprocess.run([*words, *command], stdin=subprocess.DEVNULL, capture_output=True)
    return Result(done.returncode, done.stdout, done.stderr)


def _reload() -> None:
    """Have polkit read its rules: it does when it starts. And wait until it is there."""
    # So that systemd does not count how often that happens.
    subprocess.run(["systemctl", "--quiet", "reset-failed", "polkit"])
    subprocess.run(["systemctl", "--quiet", "restart", "polkit"], check=True)
    deadline = time.monotonic() + _PATIENCE
    check = ["pkaction", "--action-id", PREFIX + "manage-own"]
    while subprocess.run(check, capture_output=True).returncode != 0:
        assert time.monotonic() < deadline, "polkit does not come up"
