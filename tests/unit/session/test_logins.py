# SPDX-License-Identifier: GPL-3.0-or-later
"""A login is held on to: its pid may become that of any process of the host."""

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from kapsule.session import logins


@pytest.fixture
def child() -> Iterator["subprocess.Popen[bytes]"]:
    """A child of ours."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_a_child_is_held(child: "subprocess.Popen[bytes]") -> None:
    """Its pidfd reaches it and nobody else."""
    held = logins.hold_child(child.pid, os.getpid())
    logins.check(held)
    assert held.pid == child.pid
    signal.pidfd_send_signal(held.pidfd, signal.SIGTERM)
    assert child.wait() == -signal.SIGTERM
    os.close(held.pidfd)


def test_what_is_nobodys_child(child: "subprocess.Popen[bytes]") -> None:
    """A process that has the number by now is another's child, and is not taken for it."""
    with pytest.raises(ProcessLookupError):
        logins.hold_child(child.pid, os.getppid())
    with pytest.raises(ProcessLookupError):
        logins.hold_child(os.getpid(), child.pid)


def test_a_child_that_has_ended(child: "subprocess.Popen[bytes]") -> None:
    """It is none, before and after somebody has waited for it; who held it knows."""
    held = logins.hold_child(child.pid, os.getpid())
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    for _ in range(2):
        with pytest.raises(ProcessLookupError):
            logins.hold_child(child.pid, os.getpid())
        with pytest.raises(ProcessLookupError):
            logins.check(held)
        child.wait()
    os.close(held.pidfd)
