# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in the background that is held on to, told of when it fails, and ended with its owner."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from kapsule.errors import CallerError, KapsuleError

log = logging.getLogger(__name__)


class Tasks:
    """Tasks by key, one for each at a time."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[None]] = {}
        self._due: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._running

    def start(self, key: str, work: Coroutine[Any, Any, None]) -> None:
        """Start work under a key that has none. Its failure is only logged."""
        assert key not in self._running
        self._running[key] = asyncio.create_task(self._run(key, work))

    def request(self, key: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do work soon; once more, however often it is asked for while it is being done.

        work: the same for a key each time. A failure is only logged, and what was asked for
        meanwhile is done after it.
        """
        self._due.add(key)
        if key not in self:
            self.start(key, self._work_while_due(key, work))

    def cancel(self) -> None:
        """Cancel all."""
        for task in self._running.values():
            task.cancel()

    async def _work_while_due(self, key: str, work: Callable[[], Awaitable[None]]) -> None:
        while key in self._due:
            self._due.discard(key)
            await _tell_of_failure(key, work())

    async def _run(self, key: str, work: Awaitable[None]) -> None:
        try:
            await _tell_of_failure(key, work)
        finally:
            del self._running[key]


async def _tell_of_failure(key: str, work: Awaitable[None]) -> None:
    try:
        await work
    except CallerError as error:  # the container was stopped or removed meanwhile
        log.info("%s: %s", key, error.message)
    except KapsuleError as error:
        log.warning("%s: %s", key, error.message)
    except Exception:
        log.exception("%s", key)
