# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of a guest that the daemon runs: as the guest's root, with nothing of the host's."""

import asyncio
import time

import pytest

from kapsule.containers.backend import Backend
from kapsule.errors import GuestError
from tests.system.support.backend import make
from tests.system.support.users import incus


@pytest.fixture
async def guest(backend: Backend, fresh_name: str) -> str:
    """A running container with BusyBox."""
    await make(backend, fresh_name, image="local:busybox")
    return fresh_name


async def _sh(backend: Backend, name: str, script: str, text: str = "", limit: float = 30) -> int:
    return await backend.guests.run(name, ["/bin/sh", "-c", script], text, limit)


async def test_how_it_ended(backend: Backend, guest: str) -> None:
    """Its exit code, or 128 and the signal's number, as a shell tells it."""
    assert await _sh(backend, guest, "exit 0") == 0
    assert await _sh(backend, guest, "exit 7") == 7
    assert await _sh(backend, guest, "kill -9 $$") == 137


async def test_what_it_reads(backend: Backend, guest: str) -> None:
    """Its input arrives byte by byte and then ends, however long it is."""
    text = "x" * 200_000 + "\n\udcff"
    assert await _sh(backend, guest, "cat > /tmp/input; wc -c < /tmp/input > /tmp/size", text) == 0
    assert incus("exec", guest, "--", "cat", "/tmp/size").strip() == "200002"


async def test_what_it_has(backend: Backend, guest: str) -> None:
    """Root's rights in the container, and no descriptor or variable but its own."""
    assert await _sh(backend, guest, "ls -l /proc/self/fd > /tmp/fds; env > /tmp/env; pwd >&2") == 0
    variables = incus("exec", guest, "--", "cat", "/tmp/env").splitlines()
    names = {line.partition("=")[0] for line in variables}
    assert names <= {"PATH", "HOME", "LANG", "container", "PWD", "SHLVL", "_"}
    listed = incus("exec", guest, "--", "cat", "/tmp/fds").splitlines()
    numbers = {line.split(" -> ")[0].split()[-1] for line in listed if " -> " in line}
    assert numbers == {"0", "1", "2"}
    assert await _sh(backend, guest, 'test "$(id -u)" = 0') == 0


async def test_a_program_that_is_not_there(backend: Backend, guest: str) -> None:
    """It is an error with the reason, like one that is not executable."""
    for path in ("/nowhere", "/etc/passwd", "/etc"):
        with pytest.raises(GuestError):
            await backend.guests.run(guest, [path], "", 30)


async def test_one_that_takes_too_long(backend: Backend, guest: str) -> None:
    """It is ended with all that it started, also what ignores a hang-up."""
    script = "trap '' HUP TERM; sleep 4711 & sleep 4712"
    with pytest.raises(GuestError, match="did not end"):
        await _sh(backend, guest, script, limit=1)
    deadline = time.monotonic() + 20
    while "sleep 471" in incus("exec", guest, "--", "ps", "-o", "args"):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
