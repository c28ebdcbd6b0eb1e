# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of a box: boot what is prepared, install the project, run a command, forget it all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from . import host, mounts, nspawn, prepare, python_deps

REPOSITORY = Path(__file__).parents[3]
INSTALL = "/src/tests/box/install"
# What is below /src can't be written to, so tools keep their notes elsewhere.
ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTEST_ADDOPTS": "-o cache_dir=/tmp/pytest-cache",
    "HYPOTHESIS_STORAGE_DIRECTORY": "/tmp/hypothesis",
}
PASSED_ON = ("TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "COLUMNS")


def build(suites: Sequence[str], group: Path) -> int:
    """Build what is missing to run boxes of ``suites``, and return 0.

    ``group`` is a cgroup for the boxes that have to be booted for that.
    """
    for suite in suites:
        _parts(suite, group)
    return 0


def run(suite: str, group: Path, command: Sequence[str], *, with_peers: bool = False) -> int:
    """Run ``command`` as root in a fresh box and return its exit status.

    The repository is at /src, which is also the working directory. An empty command is a shell on
    our terminal. If the project can't be installed, that status is returned instead.
    ``with_peers`` takes a box with Kapsule's peers in it.
    """
    prepared, deps = _parts(suite, group, with_peers=with_peers)
    scratch = mounts.scratch()
    root = mounts.throwaway_copy(prepared, scratch)
    binds = [f"--bind-ro={REPOSITORY}:/src", f"--bind-ro={deps}:/{mounts.PYTHON_DEPS}"]
    with nspawn.booted(root, scratch, group, binds) as box:
        options = ["--working-directory=/src", "--property=TasksMax=infinity"]
        installed = box.run_unit([*options, "--pipe"], ENVIRONMENT, [INSTALL])
        if installed != 0:
            return installed
        environment = ENVIRONMENT | {key: os.environ[key] for key in PASSED_ON if key in os.environ}
        streams = "--pipe" if command else "--pty"
        return box.run_unit([*options, streams], environment, command or ["bash", "--login"])


def _parts(suite: str, group: Path, *, with_peers: bool = False) -> tuple[Path, Path]:
    """Return the root folder to boot from and the one with Python packages; both read only."""
    prepared = prepare.prepared(suite, group, with_peers=with_peers)
    return prepared, python_deps.packages(host.rootfs(suite))
