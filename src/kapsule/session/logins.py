# SPDX-License-Identifier: GPL-3.0-or-later
"""The login sessions that are open: hold on to one, and remember it for a restarted daemon.

The guest decides when a login ends. From then on its pid may be that of any process of the host, so
what was read by the pid counts only if the pidfd was alive afterwards.
"""

import os
from typing import NamedTuple

from kapsule.session import border, runs


class Held(NamedTuple):
    """A login. pidfd: as long as it is alive, pid is that of no other process."""

    pid: int
    pidfd: int


def hold(pid: int) -> Held:
    """Return a process with a pidfd. Raises ProcessLookupError when there is none."""
    return Held(pid, os.pidfd_open(pid))


def hold_child(pid: int, parent: int) -> Held:
    """Return the child of a process. Raises ProcessLookupError when it is not that any more."""
    held = hold(pid)
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # proc_pid_stat(5)
            is_child = int(file.read().rpartition(b")")[2].split()[1]) == parent
    except FileNotFoundError as error:
        raise ProcessLookupError(pid) from error
    if not is_child:
        raise ProcessLookupError(pid)
    check(held)
    return held


def check(login: Held) -> None:
    """Raise ProcessLookupError when a login has ended."""
    if not border.is_alive(login.pidfd):
        raise ProcessLookupError(login.pid)


def recall(init: int, uid: int) -> Held | None:
    """Return the login that the user has in the container with this init, or None."""
    try:
        pid, start = runs.read(init, str(uid)).split()
        login = hold(int(pid))
        return login if runs.start_time(login.pid) == start else None
    except (OSError, ValueError):
        return None


def remember(init: int, uid: int, login: int) -> None:
    """Note the user's login."""
    runs.write(init, str(uid), f"{login} {runs.start_time(login)}")
