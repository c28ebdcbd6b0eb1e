# SPDX-License-Identifier: GPL-3.0-or-later
"""Raw mode of the caller's terminal, and the way back from it."""

import errno
import os
import termios
import tty
from contextlib import suppress
from typing import Any


class RawMode:
    """Puts a terminal into raw mode while this process is in its foreground.

    A context manager: the terminal is as it was when the block ends, however it ends. A process in
    the background is stopped by the kernel when it changes the terminal (SIGTTOU), so there this
    does nothing until `resume` is called in the foreground.
    """

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self._saved = termios.tcgetattr(terminal)
        self.active = False

    def __enter__(self) -> "RawMode":
        self.resume()
        return self

    def __exit__(self, *_: object) -> None:
        self.suspend()

    def resume(self) -> None:
        """Enter raw mode, if in the foreground; a second time after others changed the modes."""
        if not _in_foreground(self._terminal):
            return
        with suppress(termios.error):  # it is gone: the kernel sends SIGCONT then, too
            if not self.active:
                self._saved = termios.tcgetattr(self._terminal)
            tty.setraw(self._terminal, termios.TCSADRAIN)
            self.active = True

    def suspend(self) -> None:
        """Put the terminal back to what it was."""
        if self.active:
            self.active = False
            _restore(self._terminal, self._saved)


def _restore(terminal: int, modes: list[Any]) -> None:
    """Set a terminal's modes, though signals come meanwhile; a terminal that is gone has none."""
    while True:
        try:
            termios.tcsetattr(terminal, termios.TCSADRAIN, modes)
        except termios.error as error:
            if error.args[0] == errno.EINTR:
                continue
        return


def _in_foreground(terminal: int) -> bool:
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:  # a terminal, but not our controlling one: nobody else's foreground
        return True


def silence_echo(terminal: int) -> None:
    """Stop a terminal from echoing what is typed into it."""
    attributes = termios.tcgetattr(terminal)
    attributes[3] &= ~termios.ECHO
    termios.tcsetattr(terminal, termios.TCSANOW, attributes)
