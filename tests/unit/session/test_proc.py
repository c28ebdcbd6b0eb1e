# SPDX-License-Identifier: GPL-3.0-or-later
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kapsule.session import proc


@pytest.fixture
def called() -> Iterator[Callable[[bytes], int]]:
    """A function that starts a process of a name, at most 15 bytes, and returns its pid."""
    children: list[int] = []

    def start(name: bytes) -> int:
        ready, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            Path("/proc/self/comm").write_bytes(name)
            os.write(theirs, b".")
            signal.pause()
        children.append(child)
        os.read(ready, 1)
        os.close(ready)
        os.close(theirs)
        return child

    yield start
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.mark.parametrize("end", [b"\r", b"\v", b"\f", b"\x1c", b"\x1e", b"\xc2\x85", b"\xff\r"])
def test_a_name_adds_no_line(called: Callable[[bytes], int], end: bytes) -> None:
    """Whatever a process is called, it says nothing of its capabilities and filters by that."""
    path = f"/proc/{called(end + b'CapBnd:' + b'9')}/status"
    assert proc.words(path, "CapBnd") == proc.words("/proc/self/status", "CapBnd")
    assert proc.words(path, "Name")[-1].endswith("CapBnd:9")


def test_every_byte_of_a_name_survives(called: Callable[[bytes], int]) -> None:
    """Text stands for bytes, as in paths."""
    text = proc.read(f"/proc/{called(b'a' + bytes([0xFF]) + b'b')}/comm")
    assert os.fsencode(text) == b"a\xffb"


def test_what_is_not_there(called: Callable[[bytes], int]) -> None:
    """A line of that name, and lines at all."""
    assert proc.words(f"/proc/{called(b'x')}/status", "Nothing") == []
    assert proc.lines("/dev/null") == []
