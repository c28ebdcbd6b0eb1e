# SPDX-License-Identifier: GPL-3.0-or-later
import os
import signal
from pathlib import Path

import pytest

from kapsule.session import runs


@pytest.fixture(autouse=True)
def _notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_DIRECTORY", str(tmp_path))


def _fork_and_pause() -> int:
    child = os.fork()
    if child == 0:
        signal.pause()
    return child


def _can_be_locked(init: int) -> bool:
    """Have another process take the lock, which is killed when it does not get it."""
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        with runs.locked(init, "mounts"):
            os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def test_a_lock_is_free_when_its_block_ends_whatever_was_forked_in_it() -> None:
    """A process that hangs in the container's files and cannot even be killed keeps no lock."""
    with runs.locked(os.getpid(), "mounts"):
        child = _fork_and_pause()
    try:
        assert _can_be_locked(os.getpid())
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_lock_has_one_holder_at_a_time() -> None:
    """Whoever comes second goes on when the first has ended."""
    ready, theirs = os.pipe()
    first = os.fork()
    if first == 0:
        with runs.locked(os.getppid(), "mounts"):
            os.write(theirs, b".")
            signal.pause()
    os.read(ready, 1)
    second = os.fork()
    if second == 0:
        with runs.locked(os.getppid(), "mounts"):
            os.write(theirs, b"!")
            os._exit(0)
    os.set_blocking(ready, False)
    with pytest.raises(BlockingIOError):
        os.read(ready, 1)
    os.kill(first, signal.SIGKILL)
    os.waitpid(first, 0)
    assert os.waitpid(second, 0)[1] == 0
    assert os.read(ready, 1) == b"!"
    os.close(ready)
    os.close(theirs)
