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
    guests: the inside of those that run. pool_lock: held by who makes or looks
    for a storage pool.
    """

    incus: IncusClient
    registry: Registry
    guests: Guests
    pool_lock: asyncio.Lock = field(default_factory=asyncio.Lock)
