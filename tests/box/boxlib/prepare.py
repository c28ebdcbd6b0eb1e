# SPDX-License-Identifier: GPL-3.0-or-later
"""A box that is ready to use: Incus is initialised in it and has the guest images."""

from __future__ import annotations

import subprocess
from pathlib import Path

from . import cache, guests, host, mounts, nspawn, peers

IMAGES = "/mnt"


def prepared(suite: str, group: Path, *, with_peers: bool = False) -> Path:
    """Return the root folder of a prepared box; it must not be changed.

    ``group`` is a cgroup for the boot that prepares it, and ``with_peers`` adds `peers.PACKAGES`.
    Raises CalledProcessError when a command in the box fails.
    """
    images = guests.images(suite, host.rootfs(suite))
    rootfs = peers.rootfs(suite) if with_peers else host.rootfs(suite)

    def build(folder: Path) -> None:
        subprocess.run(["cp", "-a", "--reflink=auto", f"{rootfs}/.", folder], check=True)
        binds = [f"--bind-ro={images}:{IMAGES}"]
        with nspawn.booted(folder, mounts.scratch(), group, binds) as box:
            _initialise(box)
            box.power_off()

    inputs = (rootfs.name, images.name, Path(__file__))
    return cache.cached(f"box-{suite}", build, *inputs)


def _initialise(box: nspawn.Box) -> None:
    """Set Incus up as people do on their machines, but let it start no work of its own."""
    box.run("incus", "--quiet", "admin", "init", "--minimal")
    box.run("incus", "config", "set", "images.compression_algorithm=none")
    box.run("incus", "config", "set", "images.auto_update_interval=0")
    for name in guests.NAMES:
        files = [f"{IMAGES}/{name}.{part}.tar" for part in ("meta", "rootfs")]
        # Public: everybody's, as those from image servers are.
        box.run("incus", "--quiet", "image", "import", "--public", *files, f"--alias={name}")
