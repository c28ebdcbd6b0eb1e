# SPDX-License-Identifier: GPL-3.0-or-later
"""Count the sessions of each user of the host: each is a process of root's, and costs memory.

Nobody has to remember them. A user has a file, a session locks one byte of it, and the kernel lets
go of that when the session's process ends, however it does: fcntl(2), "Advisory record locking".
What a process forks does not hold its locks.
"""

import fcntl
import os

from kapsule import names
from kapsule.errors import Busy

_DIRECTORY = names.RUN_DIRECTORY + "/sessions"


def take(uid: int, most: int, directory: str = _DIRECTORY) -> None:
    """Have this process count as a session of a user's until it ends.

    most: how many they may have; 0 for any number, which are not counted. Raises Busy, OSError.
    """
    if not most:
        return
    os.makedirs(directory, mode=0o700, exist_ok=True)
    # Never closed: with it, the lock would go.
    seats = os.open(f"{directory}/{uid}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if not any(_is_had(seats, number) for number in range(most)):
        os.close(seats)
        raise Busy(
            f"You have {most} sessions in containers already",
            hint="End one of them. The limit is max_sessions in /etc/kapsule/kapsule.conf.",
        )


def _is_had(seats: int, number: int) -> bool:
    """Say whether a seat was free, and is ours now."""
    try:
        fcntl.lockf(seats, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
    except (BlockingIOError, PermissionError):  # which of them is left to the system: fcntl(2)
        return False
    return True
