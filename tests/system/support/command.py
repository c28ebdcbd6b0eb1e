# SPDX-License-Identifier: GPL-3.0-or-later
"""A command that runs while a test goes on."""

import signal
import subprocess
from typing import IO

from tests.system.support.users import Result, User

DEBIAN = ("--image", "local:debian")
BUSYBOX = ("--image", "local:busybox")
# What `create` says when it asks the daemon, when the daemon asks Incus, and when Incus is through.
POINTS = ("Creating container: {}", "  Creating {}", "  Setting up alice in {}")

_PATIENCE = 60.0


class Command:
    """A `kapsule` of a user's, with pipes for its output and nothing to read.

    said: its standard error, as far as it was heard.
    """

    def __init__(self, user: User, *words: str) -> None:
        self.said = b""
        self._process = user.popen(
            "kapsule",
            *words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def __enter__(self) -> "Command":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            if stream:
                stream.close()

    def hear(self, text: str) -> None:
        """Wait until it says this. Raises AssertionError when it ends before."""
        stream: IO[bytes] | None = self._process.stderr
        assert stream is not None
        while text.encode() not in self.said:
            line = stream.readline()
            assert line, f"{text!r} did not come; there is {self.said!r}"
            self.said += line

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def status(self) -> int:
        """Wait for its end and return how it ended, whoever still holds its output."""
        return self._process.wait(_PATIENCE)

    def end(self) -> Result:
        """Wait for its end and return it, with all of its output."""
        out, err = self._process.communicate(timeout=_PATIENCE)
        return Result(self._process.returncode, out, self.said + err)
