# SPDX-License-Identifier: GPL-3.0-or-later
import ctypes
import os
import signal
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from kapsule.linux import seccomp
from kapsule.session import filters, runs

_CLONE = {"x86_64": 56}.get(os.uname().machine, 220)  # the generic table's number
_CLONE_VFORK = 0x4000
_ALLOW_ALL = struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root traces what it did not start")


@pytest.fixture(autouse=True)
def _notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_DIRECTORY", str(tmp_path))


def _hang() -> NoReturn:
    """Be where no tracer stops a process: a parent waits for its child to execute, clone(2)."""
    seccomp.install_filter(_ALLOW_ALL)
    ctypes.CDLL(None).syscall(_CLONE, _CLONE_VFORK, 0, 0, 0, 0)
    signal.pause()
    os._exit(0)


@contextmanager
def _process(work: Callable[[], object]) -> Iterator[int]:
    """A process that does this, and is killed with its children when the block ends."""
    child = os.fork()
    if child == 0:
        try:
            os.setpgid(0, 0)
            work()
        finally:
            os._exit(0)
    try:
        yield child
    finally:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _status(pid: int, field: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{field}:"))


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it does not come to pass"
        time.sleep(0.01)


def test_an_init_that_hangs_holds_up_no_other_container() -> None:
    """Whoever looks at another one gets an answer while the tracer still waits for the first."""
    with _process(_hang) as hung, _process(signal.pause) as other:
        _until(lambda: _status(hung, "State") == "D")
        with _process(lambda: filters.of(hung)):
            _until(lambda: _status(hung, "TracerPid") != "0")
            filters.of(other)
            assert _status(hung, "TracerPid") != "0"
