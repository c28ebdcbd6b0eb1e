# SPDX-License-Identifier: GPL-3.0-or-later
"""A session that moves between the background and the foreground of the caller's shell."""

import os
import signal

import pytest

from tests.system.support.screen import Screen
from tests.system.support.users import User

_PROMPT = "$ "
_PLAIN = {"TERM": "dumb"}


def test_from_the_background_to_the_front(alice: User, container: str) -> None:
    """`fg` gives the keyboard to a session that was started with `&`."""
    with Screen(alice, "bash", "--norc", env=_PLAIN) as screen:
        screen.expect(_PROMPT)
        screen.type(f"kapsule enter {container} -- sh -c 'echo ready; cat' &\n")
        screen.expect("ready\r")
        screen.type("fg\n")
        screen.expect("kapsule enter")
        screen.type("typed\n")
        screen.expect("typed\r\ntyped\r\n")
        screen.type("\x04")
        screen.expect(_PROMPT)


@pytest.mark.parametrize("number", [signal.SIGSTOP, signal.SIGTSTP])
def test_a_client_that_was_stopped(alice: User, container: str, number: int) -> None:
    """It has the terminal in raw mode again, though the shell changed the modes meanwhile."""
    with Screen(alice, "bash", "--norc", env=_PLAIN) as screen:
        screen.expect(_PROMPT)
        modes = screen.modes()
        screen.type(f"kapsule enter {container} -- sh -c 'echo ready; cat'\n")
        screen.expect("ready\r\n")
        [client] = _children(screen.pid)
        os.kill(client, number)
        screen.expect("Stopped")
        screen.type("stty echo icanon; fg\n")
        screen.expect("kapsule enter")
        screen.type("typed\n")
        screen.expect("typed\r\ntyped\r\n")
        screen.type("\x04")
        screen.expect(_PROMPT)
        screen.type("stty -a > /dev/null\n")
        screen.expect(_PROMPT)
        assert screen.modes()[:3] == modes[:3]


def _children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]
