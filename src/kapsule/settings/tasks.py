# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in the background that is held on to, told of when it fails, and ended with its owner."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from kapsule.errors import CallerError, KapsuleError

log = logging.getLogger(__name__)


class Tasks:
    """Tasks by key, one for each at a time."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[None]] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._running

    def start(self, key: str, work: Coroutine[Any, Any, None]) -> None:
        """Start work under a key that has none. Its failure is only logged."""
        assert key not in self._running
        self._running[key] = asyncio.create_task(self._run(key, work))

    def cancel(self) -> None:
        """Cancel all."""
        for task in self._running.values():
            task.cancel()

    async def _run(self, key: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except CallerError as error:  # the container was stopped or removed meanwhile
            log.info("%s: %s", key, error.message)
        except KapsuleError as error:
            log.warning("%s: %s", key, error.message)
        except Exception:
            log.exception("%s", key)
        finally:
            del self._running[key]
