# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep notes about the runs of containers, for as long as each lasts, across restarts of ours.

A file is named by the container's init: its pid and its start time, in ticks since boot
(proc_pid_stat(5)), which no other process ever has together.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from kapsule import names

_DIRECTORY = names.RUN_DIRECTORY + "/runs"


def read(init: int, what: str) -> str:
    """Return a note about the run of the container with this init. Raises OSError."""
    with open(_path(init, what)) as file:
        return file.read()


def write(init: int, what: str, text: str) -> None:
    """Keep a note, and forget those about containers that stopped.

    what: its name, without a dash.
    """
    os.makedirs(_DIRECTORY, mode=0o700, exist_ok=True)
    for name in os.listdir(_DIRECTORY):
        _forget_if_over(name)
    temporary = f"{_path(init, what)}-{os.getpid()}"
    with open(temporary, "w") as file:
        file.write(text)
    os.rename(temporary, _path(init, what))


@contextmanager
def locked(init: int, what: str) -> Iterator[None]:
    """Hold a lock of the run of the container with this init. Raises OSError.

    It is this process's alone: what it forks meanwhile does not hold it.
    what: its name, without a dash, which no note has.
    """
    os.makedirs(_DIRECTORY, mode=0o700, exist_ok=True)
    descriptor = os.open(_path(init, what), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        # Not flock(2), whose lock a forked process would keep: fcntl(2).
        fcntl.lockf(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def start_time(pid: int) -> str:
    """Return when a process started. Raises ProcessLookupError for one that is a zombie, too."""
    with open(f"/proc/{pid}/stat", "rb") as file:
        state, *fields = file.read().rpartition(b")")[2].split()
    if state in (b"Z", b"X"):
        raise ProcessLookupError(pid)
    return fields[18].decode()


def _forget_if_over(name: str) -> None:
    pid, start, *_ = name.split("-")
    try:
        over = start_time(int(pid)) != start
    except OSError:
        over = True
    if over:
        with suppress(FileNotFoundError):  # somebody else forgets the same ones
            os.unlink(os.path.join(_DIRECTORY, name))


def _path(init: int, what: str) -> str:
    return f"{_DIRECTORY}/{init}-{start_time(init)}-{what}"
