# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a function so that the kernel undoes what it started and mounted, however it ends.

It runs in a child process that is the init of a PID namespace and has a mount namespace of its own:
when it is gone, so are all its processes and mounts. It dies with this process, which meanwhile
passes signals on and keeps the control group.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType

from . import cgroup

CLONE_NEWNS = 0x00020000  # sched.h
CLONE_NEWPID = 0x20000000
PR_SET_PDEATHSIG = 1  # sys/prctl.h
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(function: Callable[[Path], int]) -> int:
    """Call ``function`` with the folder of an empty cgroup and return the exit status it returns.

    Ended by a signal, the status is 128 and the signal's number. Raises SystemExit when this
    process is not root.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWPID) != 0:
        raise SystemExit(f"box: must run as root ({os.strerror(ctypes.get_errno())})")
    with cgroup.own_group() as group:
        child = os.fork()
        if child == 0:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            _child(function, group)
        return _wait(child)


def _wait(child: int) -> int:
    def pass_on(number: int, frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.kill(child, number)

    for number in SIGNALS:
        signal.signal(number, pass_on)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status if status >= 0 else 128 - status


def _child(function: Callable[[Path], int], group: Path) -> None:
    status = 1
    try:
        for number in SIGNALS:
            signal.signal(number, _end)
        subprocess.run(["mount", "--make-rslave", "/"], check=True)
        subprocess.run(["mount", "-t", "proc", "proc", "/proc"], check=True)
        status = function(group)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        os._exit(status)


def _end(number: int, frame: FrameType | None) -> None:
    """End at once on the first signal; the next ones find nothing left to end."""
    os._exit(128 + number)
