# SPDX-License-Identifier: GPL-3.0-or-later
"""Remember the login sessions that are open, so that a restarted daemon finds them again.

A file names a process by its pid and its start time, in ticks since boot (proc_pid_stat(5)), which
no other process ever has together.
"""

import os
from contextlib import suppress

from kapsule import names

_DIRECTORY = names.RUN_DIRECTORY + "/logins"


def recall(init: int, uid: int) -> int | None:
    """Return the pid of the login that the user has in the container with this init, or None."""
    try:
        with open(_path(init, uid)) as file:
            pid, start = file.read().split()
        return int(pid) if _start_time(int(pid)) == start else None
    except (OSError, ValueError):
        return None


def remember(init: int, uid: int, login: int) -> None:
    """Note the user's login, and forget those of containers that stopped."""
    os.makedirs(_DIRECTORY, mode=0o700, exist_ok=True)
    for name in os.listdir(_DIRECTORY):
        _forget_if_over(name)
    with open(_path(init, uid), "w") as file:
        file.write(f"{login} {_start_time(login)}")


def _forget_if_over(name: str) -> None:
    pid, start, _ = name.split("-")
    try:
        over = _start_time(int(pid)) != start
    except OSError:
        over = True
    if over:
        with suppress(FileNotFoundError):  # another login forgets the same ones
            os.unlink(os.path.join(_DIRECTORY, name))


def _path(init: int, uid: int) -> str:
    return f"{_DIRECTORY}/{init}-{_start_time(init)}-{uid}"


def _start_time(pid: int) -> str:
    """Return when a process started. Raises ProcessLookupError for one that is a zombie, too."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        state, *fields = file.read().rpartition(b")")[2].split()
    if state in (b"Z", b"X"):
        raise ProcessLookupError(pid)
    return fields[18].decode()
