# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmarks work on: the users of the box, its image, containers of theirs."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.support.users import User, incus

ALICE = User("alice")
IMAGE = "debian"  # the alias of the guest image in the box's Incus
LAUNCHER = Path("/usr/bin/kapsule")
PYTHON = "/usr/bin/python3"

__all__ = ["ALICE", "IMAGE", "LAUNCHER", "PYTHON", "container", "incus", "kapsule", "main_pid"]


def kapsule(*words: str) -> str:
    """Run `kapsule` as alice and return its output. Raises RuntimeError when it fails."""
    result = ALICE.kapsule(*words)
    if result.code != 0:
        raise RuntimeError(f"kapsule {' '.join(words)}: {result.error}")
    return result.text


@contextmanager
def container(name: str) -> Iterator[str]:
    """A container of alice's that she has entered once, so that the next enter is warm."""
    kapsule("create", name, "--image", f"local:{IMAGE}")
    try:
        kapsule("enter", name, "--", "true")
        yield name
    finally:
        kapsule("rm", "--force", name)


def main_pid(unit: str) -> int:
    """Return the process id of a running service."""
    command = ["systemctl", "show", "--property=MainPID", "--value", unit]
    pid = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    if pid == 0:
        raise RuntimeError(f"{unit} does not run")
    return pid
