# SPDX-License-Identifier: GPL-3.0-or-later
import os
import pty
import termios

from kapsule.terminal.raw import RawMode


def test_the_modes_come_back() -> None:
    """Raw inside of the block, as before after it."""
    master, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)
    with RawMode(terminal) as raw:
        assert raw.active
        assert not termios.tcgetattr(terminal)[3] & termios.ECHO
    assert termios.tcgetattr(terminal) == before
    os.close(master)
    os.close(terminal)


def test_modes_that_others_changed_are_not_taken_for_the_callers() -> None:
    """A second resume() makes raw what is not raw any more; what comes back is the first state."""
    master, terminal = pty.openpty()
    before = termios.tcgetattr(terminal)
    with RawMode(terminal) as raw:
        changed = termios.tcgetattr(terminal)
        changed[3] |= termios.ECHO
        termios.tcsetattr(terminal, termios.TCSANOW, changed)
        raw.resume()
        assert not termios.tcgetattr(terminal)[3] & termios.ECHO
    assert termios.tcgetattr(terminal) == before
    os.close(master)
    os.close(terminal)


def test_a_terminal_that_is_gone() -> None:
    """Nothing can be put back there, and nothing fails."""
    master, terminal = pty.openpty()
    with RawMode(terminal) as raw:
        os.close(master)
        raw.resume()
    assert not raw.active
    os.close(terminal)
