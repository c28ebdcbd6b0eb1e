# SPDX-License-Identifier: GPL-3.0-or-later
"""Closes descriptors that others sent, away from the event loop: close(2) waits as they like.

A socket with SO_LINGER waits for its peer, socket(7), and a file of FUSE or of a network file
system for its server. To look first which kind it is may wait as well: fstat(2) asks that server.
"""

import contextlib
import logging
import os
import threading
from collections import deque
from collections.abc import Iterable

# The unit's TasksMax is 1024. What comes while as many as these wait is closed after them.
_MOST_THREADS = 256

log = logging.getLogger(__name__)


class Closer:
    """Closes each message's descriptors in a thread of their own, of which there are not too many.

    The threads do not keep the process from ending.
    """

    def __init__(self, most: int = _MOST_THREADS) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._waiting: deque[tuple[int, ...]] = deque()
        self._threads = 0

    def close(self, descriptors: Iterable[int]) -> None:
        """Close these soon; nothing is raised. They are the closer's: nobody else closes them."""
        if not (given := tuple(descriptors)):
            return
        with self._lock:
            self._waiting.append(given)
            if self._threads == self._most:
                log.warning("%d closings of callers' files hang; others wait", self._most)
                return
            self._threads += 1
        try:
            threading.Thread(target=self._work, name="closing", daemon=True).start()
        except RuntimeError as error:  # no thread is to be had; the next one closes these, too
            log.warning("Callers' files are not closed yet: %s", error)
            with self._lock:
                self._threads -= 1

    def _work(self) -> None:
        while given := self._next():
            for descriptor in given:
                with contextlib.suppress(OSError):
                    os.close(descriptor)

    def _next(self) -> tuple[int, ...]:
        """Return what to close next; when there is nothing, the thread is none of ours any more."""
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            self._threads -= 1
            return ()


_closer = Closer()


def close_soon(descriptors: Iterable[int]) -> None:
    """Close what a caller sent, without waiting for it."""
    _closer.close(descriptors)
