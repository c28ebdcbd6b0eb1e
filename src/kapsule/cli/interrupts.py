# SPDX-License-Identifier: GPL-3.0-or-later
"""Ctrl-C as something to wait for instead of an exception anywhere."""

import os
import signal
from types import FrameType


class Interrupts:
    """While its `with` block runs, SIGINT makes `descriptor` readable and raises nothing.

    count: how often it came, as far as take() was called. Main thread only (signal(3)).
    """

    def __init__(self) -> None:
        self.count = 0
        self.descriptor, self._signalled = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def __enter__(self) -> "Interrupts":
        self._before = signal.getsignal(signal.SIGINT)
        if self._before is not signal.SIG_IGN:  # which shells set for jobs in the background
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)
        os.close(self.descriptor)
        os.close(self._signalled)

    def take(self) -> int:
        """Take in what came; return how often it came in all."""
        self.count += len(os.read(self.descriptor, 64))
        return self.count

    def _note(self, number: int, frame: FrameType | None) -> None:
        os.write(self._signalled, b"x")
