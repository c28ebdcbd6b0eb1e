# SPDX-License-Identifier: GPL-3.0-or-later
"""Remember the login sessions that are open, so that a restarted daemon finds them again."""

from kapsule.session import runs


def recall(init: int, uid: int) -> int | None:
    """Return the pid of the login that the user has in the container with this init, or None."""
    try:
        pid, start = runs.read(init, str(uid)).split()
        return int(pid) if runs.start_time(int(pid)) == start else None
    except (OSError, ValueError):
        return None


def remember(init: int, uid: int, login: int) -> None:
    """Note the user's login."""
    runs.write(init, str(uid), f"{login} {runs.start_time(login)}")
