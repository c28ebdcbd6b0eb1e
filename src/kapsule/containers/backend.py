# SPDX-License-Identifier: GPL-3.0-or-later
"""What every feature works with."""

from dataclasses import dataclass

from kapsule.containers.guest import Guests
from kapsule.containers.registry import Registry
from kapsule.incus.client import IncusClient


@dataclass(frozen=True, slots=True)
class Backend:
    """The outside worlds that features reach.

    incus: Incus itself. registry: the containers, from memory.
    guests: the inside of those that run.
    """

    incus: IncusClient
    registry: Registry
    guests: Guests
