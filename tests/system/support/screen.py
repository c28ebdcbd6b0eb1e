# SPDX-License-Identifier: GPL-3.0-or-later
"""A program on a real terminal, typed at and read like a person does."""

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Mapping
from contextlib import suppress

from tests.system.support.users import User

_PATIENCE = 30.0


class Screen:
    """A program of a user with a pseudo terminal as its controlling terminal.

    rows, columns: the terminal's size. output: all that the program wrote so far.
    """

    def __init__(
        self,
        user: User,
        *command: str,
        rows: int = 24,
        columns: int = 80,
        env: Mapping[str, str] | None = None,
    ) -> None:
        account = user.account
        environment = user.environment({"TERM": "xterm", **(env or {})})
        groups = os.getgrouplist(user.name, account.pw_gid)
        self.output = bytearray()
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            who = (account.pw_uid, account.pw_gid, groups)
            self._become(command, environment, who, (rows, columns))
        os.set_blocking(self.terminal, False)

    def _become(
        self,
        command: tuple[str, ...],
        environment: dict[str, str],
        who: tuple[int, int, list[int]],
        size: tuple[int, int],
    ) -> None:
        try:
            _set_size(0, *size)
            uid, gid, groups = who
            os.fchown(0, uid, -1)
            os.setgroups(groups)
            os.setgid(gid)
            os.setuid(uid)
            os.chdir(environment["HOME"])
            os.execvpe(command[0], command, environment)
        finally:
            os._exit(127)

    def __enter__(self) -> "Screen":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(self.terminal)

    def resize(self, rows: int, columns: int) -> None:
        """Change the size of the terminal."""
        _set_size(self.terminal, rows, columns)

    def type(self, text: str | bytes) -> None:
        """Type text, and see what is shown meanwhile; control characters are keys."""
        left = text.encode() if isinstance(text, str) else text
        deadline = time.monotonic() + _PATIENCE
        while left:
            assert time.monotonic() < deadline, f"nobody takes {left[:100]!r}"
            shown, takes, _ = select.select([self.terminal], [self.terminal], [], _PATIENCE)
            if shown:
                self._read(_PATIENCE)
            if takes:
                with suppress(BlockingIOError):
                    left = left[os.write(self.terminal, left) :]

    def expect(self, text: str | bytes) -> bytes:
        """Wait until text appears after what was expected before; return what came up to it."""
        wanted = text.encode() if isinstance(text, str) else text
        deadline = time.monotonic() + _PATIENCE
        while wanted not in self.output:
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(
                    f"{wanted!r} did not come; there is {bytes(self.output[-2000:])!r}"
                )
        before, _, self.output = self.output.partition(wanted)
        return bytes(before) + wanted

    def wait(self) -> int:
        """Read to the end and return the exit status, negative for death by a signal."""
        deadline = time.monotonic() + _PATIENCE
        while self._read(deadline - time.monotonic()):
            continue
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.01)
        raise AssertionError("the program does not end")

    def modes(self) -> list[object]:
        """Return the terminal's modes, for comparison."""
        return list(termios.tcgetattr(self.terminal))

    def _read(self, patience: float) -> bool:
        if patience <= 0 or not select.select([self.terminal], [], [], patience)[0]:
            return False
        try:
            data = os.read(self.terminal, 65536)
        except BlockingIOError:  # select(2) may be wrong about that
            return True
        except OSError:
            return False
        self.output += data
        return bool(data)


def _set_size(terminal: int, rows: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
