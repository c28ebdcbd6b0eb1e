# SPDX-License-Identifier: GPL-3.0-or-later
"""Change the files of a container. Runs inside it, as its root and with its rights only.

Nothing is imported after the start: an import would then load the container's file of that name.
Every failure is an OSError with the path that it is about.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from kapsule.session.guest_actions import Action
from kapsule.session.guest_changes import carry_out

# lckpwdf(3): programs that change one of these files hold this lock meanwhile.
_LOCK = "/etc/.pwd.lock"
_LOCKED = {f"/etc/{name}" for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")}
_LOCK_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LOCK_WAIT = 15.0  # seconds; lckpwdf() waits as long
_LOCK_PAUSE = 0.02


def apply(actions: Sequence[Action], *, lock_wait: float = _LOCK_WAIT) -> list[Action]:
    """Carry the actions out, all of them or none; return what takes them back, in that order.

    lock_wait: how long another program may keep the account files locked, in seconds.
    Raises OSError: ESTALE when a file no longer holds what a WriteFile replaces, EBUSY when the
    account files stay locked, or what the system said, with the path that it is about.
    """
    undo: list[Action] = []
    with _account_files_locked(actions, lock_wait):
        try:
            for action in actions:
                for back in carry_out(action):
                    undo.append(back)
        except BaseException:
            _take_back(undo)
            raise
    return undo[::-1]


def _take_back(undo: list[Action]) -> None:
    """Take changes back as far as that goes; one that fails does not keep the others."""
    for action in reversed(undo):
        with suppress(OSError):
            for _ in carry_out(action):
                pass


@contextmanager
def _account_files_locked(actions: Sequence[Action], wait: float) -> Iterator[None]:
    """Hold the lock of the account files while the block runs, if an action touches them."""
    if not any(action[0] in _LOCKED for action in actions):
        yield
        return
    descriptor = os.open(_LOCK, _LOCK_FLAGS, 0o600)
    try:
        _lock(descriptor, wait)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, wait: float) -> None:
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except (PermissionError, BlockingIOError):
            if time.monotonic() > deadline:
                busy = "another program keeps the account files locked"
                raise OSError(errno.EBUSY, busy, _LOCK) from None
        time.sleep(_LOCK_PAUSE)
