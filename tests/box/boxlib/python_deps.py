# SPDX-License-Identifier: GPL-3.0-or-later
"""The Python packages of the project and its tests, put aside for the Python of a box."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

from . import cache, mounts

REPOSITORY = Path(__file__).parents[3]
LOCK_FILES = ("requirements.lock", "requirements-dev.lock")
VENV_PYTHON = REPOSITORY / ".venv" / "bin" / "python"
GLIBC_TAGS = ("manylinux2014", "manylinux_2_17", "manylinux_2_28", "manylinux_2_34")


def packages(host: Path) -> Path:
    """Return a folder of packages for the Python in the root file system ``host`` of a box.

    They are those of the repository's lock files. Raises CalledProcessError when pip fails.
    """
    version = next(host.glob("usr/bin/python3.*[0-9]")).name.removeprefix("python")
    locks = [REPOSITORY / name for name in LOCK_FILES]

    def build(folder: Path) -> None:
        _pip_install(folder, version, locks)
        _compile(folder, host, version)

    return cache.cached(f"python{version}", build, Path(__file__), *locks)


def _pip_install(folder: Path, version: str, locks: list[Path]) -> None:
    python = VENV_PYTHON if VENV_PYTHON.exists() else Path(sys.executable)
    command: list[str | Path] = [python, "-m", "pip", "install", "-qq", "--no-compile"]
    command += ["--target", folder, "--python-version", version]
    command += ["--no-deps", "--prefer-binary"]  # the lock files are complete
    command += [f"--platform={tag}_{platform.machine()}" for tag in GLIBC_TAGS]
    for lock in locks:
        command += ["-r", lock]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _compile(folder: Path, host: Path, version: str) -> None:
    """Compile with the box's own Python, at the place where the box will see the packages."""
    place = host / mounts.PYTHON_DEPS
    mounts.mount("--bind", folder, place)
    compiler: list[str | Path] = ["chroot", host, f"python{version}", "-m", "compileall", "-qq"]
    subprocess.run([*compiler, f"/{mounts.PYTHON_DEPS}"])  # some packages ship code for others
    subprocess.run(["umount", place], check=True)
