# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets few questions of each user to Incus run at a time, so that others' are answered in between.

An answer of Incus's may be long, and what is made of it takes its time.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_WIDTH = 4


@dataclass(slots=True)
class _Lane:
    """One user's. used: how many are in it, or wait for room."""

    room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_WIDTH))
    used: int = 0


class Lanes:
    """A lane for each user that asks something."""

    def __init__(self) -> None:
        self._lanes: dict[int, _Lane] = {}

    @asynccontextmanager
    async def of(self, uid: int) -> AsyncIterator[None]:
        """Be in the lane of the user with this uid within the block; first wait for room in it."""
        lane = self._lanes.setdefault(uid, _Lane())
        lane.used += 1
        try:
            async with lane.room:
                yield
        finally:
            lane.used -= 1
            if not lane.used:
                del self._lanes[uid]
