# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and change the files of a container. Runs inside it, as its root and with its rights only.

Nothing is imported after the start: an import would then load the container's file of that name.
Every failure is an OSError with the path that it is about.
"""

import os
from collections.abc import Iterable, Sequence

from kapsule.session.guest_actions import (
    DIRECTORY,
    FILE,
    OTHER,
    SYMLINK,
    Action,
    CopyTree,
    GuestFile,
    MakeDirectory,
    Remove,
    SetHostname,
    Symlink,
    WriteFile,
    actions_from_wire,
    actions_to_wire,
    files_from_wire,
    files_to_wire,
)

__all__ = [
    "DIRECTORY",
    "FILE",
    "OTHER",
    "SYMLINK",
    "Action",
    "CopyTree",
    "GuestFile",
    "MakeDirectory",
    "Remove",
    "SetHostname",
    "Symlink",
    "WriteFile",
    "actions_from_wire",
    "actions_to_wire",
    "apply",
    "files_from_wire",
    "files_to_wire",
    "read_files",
]

MAX_SIZE = 1024 * 1024
MAX_ENTRIES = 1000

# lckpwdf(3): every program that changes one of these holds this lock meanwhile.
ACCOUNT_LOCK = "/etc/.pwd.lock"
_ACCOUNT_FILES = {
    f"/etc/{name}" for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")
}
_LOCK_WAIT = 15.0  # seconds; lckpwdf() waits as long
_LOCK_PAUSE = 0.02

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PERMISSIONS = 0o777  # without the set-id bits


def read_files(paths: Iterable[str]) -> dict[str, GuestFile | None]:
    """Return what is at each path, None where nothing is. Raises OSError."""
    return {path: _look(path) for path in paths}


def apply(actions: Sequence[Action]) -> list[Action]:
    """Carry the actions out, all of them or none; return what takes them back, in that order.

    Raises OSError: ESTALE when a file no longer holds what a WriteFile replaces, ETIMEDOUT when
    another program keeps the account files locked for 15 seconds.
    """
    undo: list[Action] = []
    with _account_files_locked(actions):
        try:
            for action in actions:
                undo.extend(_done(action, undo))
        except BaseException:
            _take_back(undo)
            raise
    return undo[::-1]
