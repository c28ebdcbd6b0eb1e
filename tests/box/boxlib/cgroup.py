# SPDX-License-Identifier: GPL-3.0-or-later
"""A control group of its own for a box, so that two boxes never share their root group."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "kapsule-box-"
REMOVE_SECONDS = 10


@contextmanager
def own_group() -> Iterator[Path]:
    """Make a cgroup v2 group below that of this process; remove it with its subgroups at the end.

    Its processes must be gone by then. It is named after the process id of its owner; groups that
    killed owners left behind are removed too.
    Raises SystemExit when cgroup v2 is not mounted.
    """
    parent = _own_folder()
    for other in parent.glob(f"{PREFIX}*"):
        if not Path("/proc", other.name.removeprefix(PREFIX)).exists():
            with suppress(OSError):
                _remove(other)
    group = parent / f"{PREFIX}{os.getpid()}"
    group.mkdir()
    try:
        yield group
    finally:
        _remove_when_empty(group)


def _own_folder() -> Path:
    """Return the folder of this process's group (cgroups(7): ``0::/path`` is the v2 one)."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split(" ")
        if kind == "cgroup2":
            groups = Path("/proc/self/cgroup").read_text().splitlines()
            own = next(group for group in groups if group.startswith("0::"))
            return Path(where + own.removeprefix("0::"))
    raise SystemExit("box: cgroup v2 is not mounted on this machine")


def _remove(group: Path) -> None:
    for folder, _, _ in os.walk(group, topdown=False):
        os.rmdir(folder)


def _remove_when_empty(group: Path) -> None:
    deadline = time.monotonic() + REMOVE_SECONDS
    while True:
        try:
            return _remove(group)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
