# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads for work on file systems that may never answer.

Nothing can end such a thread but its file system, so each piece of work gets one for itself, and
there are only so many for each key: who makes them hang gets no more, and everybody else does.
"""

import errno
import os
import threading
from collections import Counter
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

T = TypeVar("T")


class Threads:
    """Starts them. limit: how many there may be for one key at a time."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._running: Counter[Hashable] = Counter()
        self._lock = threading.Lock()

    def start(self, key: Hashable, work: Callable[[], T]) -> Future[T]:
        """Have work done in a thread of its own, and return what will have its outcome.

        key: on whose account. Raises OSError with EAGAIN when there are too many for it already,
        and when this process can have no more threads.
        """
        with self._lock:
            if self._running[key] >= self._limit:
                raise OSError(errno.EAGAIN, "too many file accesses hang already")
            self._running[key] += 1
        outcome: Future[T] = Future()
        outcome.set_running_or_notify_cancel()  # so nobody who stops waiting can cancel it
        # A daemon thread: one that hangs must not keep the process from ending.
        thread = threading.Thread(target=partial(self._run, key, work, outcome), daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._done(key)
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error
        return outcome

    def _run(self, key: Hashable, work: Callable[[], T], outcome: Future[T]) -> None:
        try:
            result = work()
        except BaseException as error:
            self._done(key)
            outcome.set_exception(error)
        else:
            self._done(key)
            outcome.set_result(result)

    def _done(self, key: Hashable) -> None:
        with self._lock:
            self._running[key] -= 1
            if not self._running[key]:
                del self._running[key]
