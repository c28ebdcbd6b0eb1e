# SPDX-License-Identifier: GPL-3.0-or-later
"""What every feature works with."""

import asyncio
from dataclasses import dataclass, field

from kapsule.containers.guest import Guests
from kapsule.containers.registry import Registry
from kapsule.incus.client import IncusClient


@dataclass(frozen=True, slots=True)
class Backend:
    """The outside worlds that features reach.

    incus: Incus itself. registry: the containers, from memory.
    guests: the inside of those that run. max_sessions: how many a user may have; 0: any number.
    pool_lock: held by who makes or looks for a storage pool.
    """

    incus: IncusClient
    registry: Registry
    guests: Guests
    max_sessions: int = 0
    pool_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
