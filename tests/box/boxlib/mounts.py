# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts for a box; `isolation` makes sure that nobody else sees them and that they go away."""

from __future__ import annotations

import subprocess
from pathlib import Path

from . import cache

PYTHON_DEPS = "usr/lib/kapsule-test-deps"
POOLS = "var/lib/incus/storage-pools"


def mount(*arguments: str | Path) -> None:
    """Run mount(8). Raises CalledProcessError when it fails."""
    subprocess.run(["mount", *arguments], check=True)


def scratch() -> Path:
    """Return an empty folder in memory; every process gets its own at the same place."""
    folder = cache.root() / "scratch"
    folder.mkdir(exist_ok=True)
    mount("-t", "tmpfs", "-o", "mode=755", "kapsule-box", folder)
    return folder


def throwaway_copy(prepared: Path, scratch: Path) -> Path:
    """Return a root folder that shows ``prepared``, and whose changes stay in ``scratch``.

    Incus's storage pools are not on the overlay, because guests mount overlays of their own.
    """
    for name in ("upper", "work", "root"):
        (scratch / name).mkdir(mode=0o755)
    root = scratch / "root"
    layers = f"lowerdir={prepared},upperdir={scratch}/upper,workdir={scratch}/work"
    mount("-t", "overlay", "-o", layers, "kapsule-box", root)
    subprocess.run(["cp", "-a", prepared / POOLS, scratch / "pools"], check=True)
    mount("--bind", scratch / "pools", root / POOLS)
    return root
