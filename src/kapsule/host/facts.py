# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host has, as far as a new container depends on it."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path

# Networks and overlays of rootless containers. Incus shows a container those of the host.
_NODES = ("dev/fuse", "dev/net/tun")
_FOR_ALL = 0o666
_CARD = re.compile(r"card\d+\Z")


@dataclass(frozen=True, slots=True)
class HostFacts:
    """Facts about the host, gathered once.

    has_gpu: whether there is a graphics device that Incus could pass through. Incus refuses to
    start an instance with a `gpu` device where there is none. closed_nodes: those of the devices
    that containers in the container need which are not open to all users, as udev makes them.
    """

    has_gpu: bool
    closed_nodes: tuple[str, ...] = ()


async def gather_facts(root: Path = Path("/")) -> HostFacts:
    """Return the facts; the files are read in a thread. root: where /sys and /dev are."""
    return await asyncio.to_thread(lambda: HostFacts(_has_gpu(root), _closed_nodes(root)))


def _closed_nodes(root: Path) -> tuple[str, ...]:
    closed = []
    for node in _NODES:
        try:
            mode = (root / node).stat().st_mode
        except OSError:
            continue
        if mode & _FOR_ALL != _FOR_ALL:
            closed.append(f"/{node}")
    return tuple(closed)


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
