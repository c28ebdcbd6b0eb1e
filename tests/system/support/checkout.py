# SPDX-License-Identifier: GPL-3.0-or-later
"""A checkout of the sources, from which `make` runs Kapsule as on a machine without it."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.system.support.users import Result

_PACKAGES = "/usr/lib/kapsule-test-deps"
# What nobody needs who runs it, and what is made anew. In the last there is a large image.
_LEFT_OUT = ("/src/.git", "/src/.venv", "/src/build")
# The runner takes PID 1's name for what it is; here it sees another one.
_WITHOUT_SYSTEMD = 'mount --bind "$1" /proc/1/comm && shift && exec "$@"'


@dataclass(frozen=True, slots=True)
class Checkout:
    """A copy of the sources, whose Python packages are there already."""

    folder: Path
    has_systemd: bool = True

    def make(self, *words: str, env: Mapping[str, str] | None = None) -> Result:
        """Run make as root. env: variables beside those of the tests."""
        command = ["make", "--silent", *words]
        if not self.has_systemd:
            name = self.folder / "name-of-init"
            name.write_text("init\n")
            shell = ["unshare", "--mount", "--propagation=slave", "sh", "-c", _WITHOUT_SYSTEMD]
            command = [*shell, "sh", str(name), *command]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=os.environ | dict(env or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def replace(self, program: str, *lines: str) -> None:
        """Have a program of the checkout do something else: what takes a network."""
        (self.folder / program).write_text("\n".join(["#!/bin/sh", *lines, ""]))


def copy_to(folder: Path, *, has_systemd: bool = True) -> Checkout:
    """Return a new checkout in a folder that does not exist yet."""
    shutil.copytree("/src", folder, ignore=_left_out)
    checkout = Checkout(folder, has_systemd)
    _provide_environment(checkout)
    return checkout


def _left_out(folder: str, names: list[str]) -> list[str]:
    return [each for each in names if each == "__pycache__" or f"{folder}/{each}" in _LEFT_OUT]


def _provide_environment(checkout: Checkout) -> None:
    """Do what scripts/environment does where there is a network."""
    folder = checkout.folder
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/lib/python").mkdir(parents=True)
    (folder / ".venv/lib/python/site-packages").symlink_to(_PACKAGES)
    checkout.replace("scripts/environment")
    programs = {"kapsule": "cli", "kapsule-daemon": "daemon", "kapsule-session": "session"}
    for program, module in programs.items():
        words = ("/usr/bin/python3", "ISB", f"kapsule.{module}.__main__", str(folder / "src"))
        launcher = subprocess.run(
            [folder / "scripts/launcher", *words, _PACKAGES], capture_output=True, check=True
        )
        (folder / ".venv/bin" / program).write_bytes(launcher.stdout)
        (folder / ".venv/bin" / program).chmod(0o755)
