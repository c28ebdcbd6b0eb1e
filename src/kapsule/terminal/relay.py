# SPDX-License-Identifier: GPL-3.0-or-later
"""Stay with a session from the caller's side: bytes, signals, window size, and how it ends.

Neither the bus nor the daemon has a part in it. The control socket leads to the session helper,
which reports the end there and takes signals; when it closes, the helper ends the session.
"""

import errno
import os
import select
import signal
import socket
from collections.abc import Callable

from kapsule.errors import GuestError
from kapsule.linux import pty
from kapsule.terminal.raw import RawMode

_CHUNK = 65536
_END_OF_FILE = b"\x04"  # what a terminal in its normal mode takes for the end of input
# For how many seconds output may pause after the end, when a process left behind can still write.
_DRAIN = 0.05
FORWARDED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1,
             signal.SIGUSR2)  # fmt: skip
_WATCHED = (*FORWARDED, signal.SIGWINCH, signal.SIGTSTP, signal.SIGCONT)
# How often, in seconds, a session in the background looks whether it was brought to the front: a
# shell sends no signal to a job that runs already.
_FOREGROUND_PAUSE = 0.2


class Terminal:
    """The session's terminal, and where its input comes from and its output goes.

    master: the session's terminal. source: the caller's terminal to read from, or None. sink: the
    caller's terminal to write to. raw: the caller's terminal's raw mode, None to leave it alone.
    """

    def __init__(self, master: int, source: int | None, sink: int, raw: RawMode | None) -> None:
        os.set_blocking(master, False)
        self.master = master
        self.source = source
        self.sink = sink
        self.raw = raw
        self.pending = b""

    def resize(self) -> None:
        """Give the session's terminal the size of the caller's."""
        try:
            pty.set_window_size(self.master, *pty.get_window_size(self.sink))
        except OSError:
            return  # one of the two is gone; the end is near

    def copy_input(self) -> None:
        """Take what was typed."""
        assert self.source is not None
        try:
            data = os.read(self.source, _CHUNK)
        except OSError:
            data = b""
        if not data:
            self.source = None
        self.pending += data or _END_OF_FILE
        self.flush_input()

    def flush_input(self) -> None:
        """Pass on as much of what was typed as the session's terminal takes now."""
        try:
            self.pending = self.pending[os.write(self.master, self.pending) :]
        except BlockingIOError:
            return
        except OSError:
            self.pending, self.source = b"", None

    def copy_output(self) -> bool:
        """Show what the session wrote; return False when no process has the terminal any more."""
        try:
            data = os.read(self.master, _CHUNK)
        except BlockingIOError:
            return True
        except OSError as error:
            if error.errno != errno.EIO:  # which means that every slave is closed: pty(7)
                raise
            return False
        _write_all(self.sink, data)
        return bool(data)

    def drain(self) -> None:
        """Show what is left when the session is over."""
        while select.select([self.master], [], [], _DRAIN)[0]:
            if not self.copy_output():
                return


class Relay:
    """One session, from its start to its end.

    control: the socket to the session helper. terminal: None when the session's input and output
    do not pass through us.
    """

    def __init__(self, control: socket.socket, terminal: Terminal | None) -> None:
        self._control = control
        self._terminal = terminal
        self._wakeup, self._signalled = socket.socketpair()
        self._wakeup.setblocking(False)
        self._signalled.setblocking(False)

    def run(self, ready: Callable[[], None]) -> int:
        """Return the session's exit status, 128 + n for an end by signal n.

        ready: called when signals are passed on from here on.
        Raises GuestError when the session's end was not reported.
        """
        for number in _WATCHED:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup(1) wants it
                signal.signal(number, _note)
        signal.set_wakeup_fd(self._signalled.fileno())
        try:
            ready()
            return self._loop()
        finally:
            signal.set_wakeup_fd(-1)

    def _loop(self) -> int:
        terminal = self._terminal
        while True:
            readable, writable = self._wait()
            # First, and whatever was readable: who changed the size and then typed did so in that
            # order, and a signal that comes while select(2) returns is not in its answer.
            self._take_signals()
            if terminal and terminal.master in writable:
                terminal.flush_input()
            if terminal and terminal.source in readable:
                terminal.copy_input()
            if terminal and terminal.master in readable and not terminal.copy_output():
                self._terminal = terminal = None
            if self._control.fileno() in readable:
                status = self._take_end()
                if terminal:
                    terminal.drain()
                return status

    def _wait(self) -> tuple[list[int], list[int]]:
        reading = [self._control.fileno(), self._wakeup.fileno()]
        writing = []
        may_read = True
        if terminal := self._terminal:
            reading.append(terminal.master)
            may_read = terminal.raw is None or terminal.raw.active
            if terminal.pending:
                writing.append(terminal.master)
            elif terminal.source is not None and may_read:
                reading.append(terminal.source)
        pause = None if may_read else _FOREGROUND_PAUSE
        readable, writable, _ = select.select(reading, writing, [], pause)
        if not may_read:
            self._resume()
        return readable, writable

    def _take_signals(self) -> None:
        try:
            numbers = self._wakeup.recv(256)
        except BlockingIOError:
            return
        for number in numbers:
            if number == signal.SIGWINCH and self._terminal:
                self._terminal.resize()
            elif number == signal.SIGTSTP:
                self._pause()
            elif number == signal.SIGCONT:
                self._resume()
            elif number in FORWARDED:
                self._send(number)

    def _pause(self) -> None:
        """Stop, and the session with us, until we are continued."""
        raw = self._terminal.raw if self._terminal else None
        if raw:
            raw.suspend()
        self._send(signal.SIGSTOP)
        os.kill(os.getpid(), signal.SIGSTOP)
        self._send(signal.SIGCONT)
        self._resume()

    def _resume(self) -> None:
        """Take the terminal, if it is ours to take."""
        if self._terminal and self._terminal.raw:
            self._terminal.raw.resume()
            self._terminal.resize()

    def _send(self, number: int) -> None:
        try:
            self._control.send(b"signal %d" % number)
        except OSError:
            return  # the session is over; its end is still to be read

    def _take_end(self) -> int:
        try:
            kind, _, number = self._control.recv(64).partition(b" ")
        except OSError:
            kind, number = b"", b""
        if kind == b"exit":
            return int(number)
        if kind == b"killed":
            return 128 + int(number)
        raise GuestError("The session was lost", hint="Its helper was killed; see the journal.")


def _note(number: int, frame: object) -> None:
    """Do nothing: the wake-up descriptor carries the signal to the loop."""


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
