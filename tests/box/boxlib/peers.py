# SPDX-License-Identifier: GPL-3.0-or-later
"""The root file system of a box that also has Kapsule's peers, for benchmarks."""

from __future__ import annotations

from pathlib import Path

from . import cache, debian, host

PACKAGES = ("podman", "crun", "distrobox")


def rootfs(suite: str) -> Path:
    """Return a folder like that of `host.rootfs`, with the peers installed in addition."""

    def build(target: Path) -> None:
        debian.bootstrap(
            target,
            suite,
            (*host.PACKAGES, *PACKAGES),
            f"--setup-hook={host.PIN_INCUS}",
            f"--customize-hook={host.CUSTOMIZE}",
        )

    inputs = (Path(__file__), Path(host.__file__), Path(debian.__file__), host.CUSTOMIZE)
    return cache.cached(f"rootfs-{suite}-peers", build, *inputs)
