# SPDX-License-Identifier: GPL-3.0-or-later
"""How many sessions a user has."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Begin = Callable[[int, int], tuple[str, "subprocess.Popen[str]"]]

# Forks, as a session does, and stays.
_SESSION = """
import os, sys
from kapsule.errors import Busy
from kapsule.session import seats
try:
    seats.take(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
except Busy as error:
    print(error.message, flush=True)
else:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    print("in", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Return a function that begins a session of a user, who may have so many."""
    begun = []

    def session(uid: int, most: int) -> tuple[str, "subprocess.Popen[str]"]:
        command = [sys.executable, "-c", _SESSION, str(uid), str(most), str(tmp_path / "sessions")]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        begun.append(process)
        assert process.stdout is not None
        return process.stdout.readline().strip(), process

    yield session
    for process in begun:
        process.kill()
        process.communicate()


def test_one_too_many(begin: Begin) -> None:
    """Who has as many as they may is told so; others, and those who may have more, are let in."""
    sessions = [begin(7, 2) for _ in range(3)]
    assert [said for said, _ in sessions] == [
        "in",
        "in",
        "You have 2 sessions in containers already",
    ]
    assert begin(8, 2)[0] == "in"
    assert begin(7, 3)[0] == "in"


def test_a_session_that_is_killed(begin: Begin) -> None:
    """It counts no more, without anybody having noticed."""
    _, first = begin(7, 1)
    assert begin(7, 1)[0] != "in"
    first.kill()
    first.wait()
    assert begin(7, 1)[0] == "in"


def test_no_limit(begin: Begin) -> None:
    """0 stands for any number."""
    assert [begin(7, 0)[0] for _ in range(3)] == ["in"] * 3
