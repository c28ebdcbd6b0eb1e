# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep signals for a session that is about to begin.

The session can run before the answer that says so has reached us. A signal that comes in between is
meant for what runs there, and must not end us instead.
"""

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

# Seconds. Who has to wait longer than that for a session wants to end the wait.
_PATIENCE = 2.0


@contextmanager
def hold(numbers: Iterable[int]) -> Iterator[Callable[[], None]]:
    """Hold signals back while the block runs; yield what lets them through before its end.

    numbers: of the signals. What came meanwhile is delivered then: pthread_sigmask(3). After
    two seconds they are let through in any case. Main thread only; uses SIGALRM.
    """
    alarm = signal.getsignal(signal.SIGALRM)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)

    def release(*_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    try:
        signal.signal(signal.SIGALRM, release)
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE)
        yield release
    finally:
        release()
        signal.signal(signal.SIGALRM, alarm)
