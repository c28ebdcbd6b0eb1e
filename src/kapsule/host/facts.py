# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host has, as far as a new container depends on it."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

_CARD = re.compile(r"card\d+\Z")


@dataclass(frozen=True, slots=True)
class HostFacts:
    """Facts about the host, gathered once.

    has_gpu: whether there is a graphics device that Incus could pass through. Incus refuses to
    start an instance with a `gpu` device where there is none.
    """

    has_gpu: bool


async def gather_facts(root: Path = Path("/")) -> HostFacts:
    """Return the facts; the files are read in a thread. root: where /sys and /dev are."""
    return await asyncio.to_thread(lambda: HostFacts(has_gpu=_has_gpu(root)))


def _has_gpu(root: Path) -> bool:
    """Whether a card has both a device behind it and a node; in a container one may be missing."""
    if (root / "dev/nvidia0").exists():
        return True
    try:
        cards = [card for card in (root / "sys/class/drm").iterdir() if _CARD.match(card.name)]
    except OSError:
        return False
    return any(
        (card / "device").exists() and (root / "dev/dri" / card.name).exists() for card in cards
    )
