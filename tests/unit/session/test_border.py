# SPDX-License-Identifier: GPL-3.0-or-later
import os
import resource
import select
import signal
import struct
import time
from pathlib import Path

import pytest

from kapsule.linux import syscalls
from kapsule.session import border

_WRITE = {"x86_64": 1}.get(os.uname().machine, 64)  # the generic table's number
_RETURN_NOTHING, _ALLOW = 0x00050000, 0x7FFF0000  # SECCOMP_RET_ERRNO with 0, SECCOMP_RET_ALLOW
_EVERYTHING = (1 << 63) - 1


def _pretending(call: int) -> bytes:
    """Return a filter by which a system call does nothing and seems to succeed: seccomp(2)."""
    program = (
        (0x20, 0, 0, 0),  # load the number of the call
        (0x15, 0, 1, call),  # go on if it is this one, else leave one out
        (0x06, 0, 0, _RETURN_NOTHING),
        (0x06, 0, 0, _ALLOW),
    )
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root joins namespaces")
def test_the_label_is_written_whatever_the_guests_filters_do(tmp_path: Path) -> None:
    """A container's init adds filters of its own; none makes a session one without a label."""
    label = tmp_path / "exec"
    label.touch()
    line = border.Border(
        namespaces=syscalls.CLONE_NEWUTS,
        cgroup="",
        v1_cgroups=(),
        capabilities=_EVERYTHING,
        label=(str(label), "exec confined"),
        score=Path("/proc/self/oom_score_adj").read_text().strip(),
        limits=((resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE)),),
        filters=(_pretending(_WRITE),),
    )
    child = os.fork()
    if child == 0:
        try:
            border.cross(line, os.pidfd_open(os.getpid()))
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    assert label.read_text() == "exec confined"


def _pause() -> int:
    """Fork a process that does nothing; return its pid."""
    child = os.fork()
    if child == 0:
        signal.pause()
    return child


def _pidfd_is_silent_but_init_counts_as_gone() -> bool:
    syscalls.unshare(syscalls.CLONE_NEWPID)
    init, guest = _pause(), _pause()
    pidfd = os.pidfd_open(init)
    is_alive_before = border.is_alive(pidfd)
    os.kill(init, signal.SIGKILL)
    os.waitid(os.P_PID, guest, os.WEXITED | os.WNOWAIT)  # killed by init's end, and not reaped
    deadline = time.monotonic() + 10
    while border.is_alive(pidfd) and time.monotonic() < deadline:
        time.sleep(0.01)
    is_silent = not select.select([pidfd], [], [], 0)[0]
    is_alive_after = border.is_alive(pidfd)
    os.waitpid(guest, 0)
    return is_alive_before and is_silent and not is_alive_after


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes pid namespaces")
def test_an_init_that_still_waits_for_others_counts_as_gone() -> None:
    """Nothing can be forked into its container any more, though its pidfd says nothing yet."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(not _pidfd_is_silent_but_init_counts_as_gone())
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
