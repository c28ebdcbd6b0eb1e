# SPDX-License-Identifier: GPL-3.0-or-later
"""A session may make the system calls that the container's own processes may, and no others."""

import os

import pytest

from tests.system.support.users import User, incus


@pytest.fixture(params=[(), ("--root",)], ids=["user", "root"])
def flags(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """As oneself, and as root."""
    return tuple(request.param)


def test_filters_are_those_of_init(alice: User, container: str, flags: tuple[str, ...]) -> None:
    """As many, and the same mode; with sudo, too."""
    script = "for p in 1 $$; do grep -E '^(Seccomp|NoNewPrivs)' /proc/$p/status; done"
    words = ("enter", *flags, container, "--", "sudo", "sh", "-c", script)
    lines = alice.kapsule(*words).text.splitlines()
    assert len(lines) == 6
    assert lines[:3] == lines[3:]
    assert "Seccomp:\t2" in lines


def test_the_same_filters_after_a_restart(alice: User, fresh_name: str) -> None:
    """Each run of a container has its own, and they are the same for the helper's files and su."""
    assert alice.kapsule("create", fresh_name, "--image", "local:debian").code == 0
    count = ("enter", fresh_name, "--", "grep", "Seccomp_filters", "/proc/self/status")
    first = alice.kapsule(*count).text
    incus("restart", "--force", fresh_name)
    assert alice.kapsule(*count).text == first


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the call has another number there")
def test_a_call_that_incus_refuses(alice: User, container: str) -> None:
    """Root of a session is refused what a process of Incus's own in there is refused."""
    script = "syscall(304, -100, 0, 0); print $!+0"  # open_by_handle_at(2)
    refused = incus("exec", container, "--", "perl", "-e", script)
    assert alice.kapsule("enter", container, "--", "sudo", "perl", "-e", script).text == refused
    assert alice.kapsule("enter", "--root", container, "--", "perl", "-e", script).text == refused
    assert refused in ("1", "38")  # EPERM, ENOSYS; the kernel itself says EFAULT
