# SPDX-License-Identifier: GPL-3.0-or-later
"""What there is only so much of."""

import errno
import fcntl
import os
import resource
import time

from . import calls

F_GETPIPE_SZ = 1032  # fcntl(2)


def _raise_descriptors() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def hold_pipes(seconds: float) -> int:
    """Hold as much as a user may have in pipes: pipe(7), pipe-user-pages-soft."""
    _raise_descriptors()
    count = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            reader, _ = os.pipe()
            count += 1
            if fcntl.fcntl(reader, F_GETPIPE_SZ) < 65536:
                break
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                break
            raise
    time.sleep(max(0.0, end - time.monotonic()))
    return count


def hold_watches(seconds: float, uids: int) -> int:
    """Hold as many inotify instances as can be had by many users: inotify(7)."""
    _raise_descriptors()
    end = time.monotonic() + seconds
    count = 0
    for uid in range(uids):
        os.setresuid(-1, uid, 0)
        try:
            while True:
                calls.check(calls.libc.inotify_init1(os.O_CLOEXEC))
                count += 1
        except OSError:
            continue
        finally:
            os.setresuid(-1, 0, 0)
    time.sleep(max(0.0, end - time.monotonic()))
    return count


def fork_many(count: int, seconds: float) -> int:
    """Start many processes, which end after a while."""
    pids = []
    try:
        for _ in range(count):
            pid = os.fork()
            if pid == 0:
                time.sleep(seconds)
                os._exit(0)
            pids.append(pid)
    except OSError:
        pass
    for pid in pids:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    return len(pids)
