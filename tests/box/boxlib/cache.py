# SPDX-License-Identifier: GPL-3.0-or-later
"""A folder of finished builds, each keyed by a hash of what it was made from.

A build happens in a temporary folder that is renamed when it is complete, so a folder with its
final name is always whole. A lock file beside it keeps two builders apart, and keeps a build that
is in use from being thrown away.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

KEEP = 2  # of each name: two working trees may differ
KEY_LENGTH = 12
UNFINISHED = ".new"

_held: list[IO[bytes]] = []


def root() -> Path:
    """Return the cache folder of the test box; it is created if it does not exist."""
    base = os.environ.get("KAPSULE_CACHE")
    if not base:
        home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        base = f"{home}/kapsule"
    folder = Path(base) / "box"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def say(text: str) -> None:
    """Tell the person at the terminal what takes time."""
    print(f"box: {text}", file=sys.stderr, flush=True)


def cached(name: str, build: Callable[[Path], None], *inputs: Path | str) -> Path:
    """Return the folder of a build, building it first if it is not in the cache.

    ``name`` says what it is, ``build`` fills the empty folder it is given, and ``inputs`` are the
    files (a folder counts with all its files) and strings that it is made from. The result is
    locked against removal until this process ends. What ``build`` raises is passed on.
    """
    folder = root() / f"{name}-{digest(inputs)}"
    lock = open(_lock_path(folder), "ab")  # noqa: SIM115 - held until this process ends
    fcntl.flock(lock, fcntl.LOCK_SH)
    if not folder.is_dir():
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            _build(folder, build)
        fcntl.flock(lock, fcntl.LOCK_SH)
    os.utime(lock.name)
    _held.append(lock)
    return folder


def digest(inputs: Iterable[Path | str]) -> str:
    """Return the key for a list of inputs; it changes when any of them does."""
    total = hashlib.sha256()
    for entry in inputs:
        for content in _contents(entry):
            total.update(hashlib.sha256(content).digest())
    return total.hexdigest()[:KEY_LENGTH]


def remove_tree(folder: Path) -> None:
    """Remove a folder with all it holds; a file system mounted below it is left alone."""
    subprocess.run(["rm", "-rf", "--one-file-system", "--", str(folder)], check=True)


def _contents(entry: Path | str) -> Iterable[bytes]:
    if isinstance(entry, str):
        return [entry.encode()]
    files = sorted(entry.rglob("*")) if entry.is_dir() else [entry]
    return [file.read_bytes() for file in files if file.is_file()]


def _lock_path(folder: Path) -> Path:
    """Return the lock of a build, given its folder or the one in which it is being made."""
    return folder.with_name(f"{folder.name.removesuffix(UNFINISHED)}.lock")


def _build(folder: Path, build: Callable[[Path], None]) -> None:
    say(f"building {folder.name}")
    started = time.monotonic()
    unfinished = folder.with_name(folder.name + UNFINISHED)
    remove_tree(unfinished)
    unfinished.mkdir(mode=0o755)
    build(unfinished)
    unfinished.rename(folder)
    _prune(folder.name.rpartition("-")[0])
    say(f"built {folder.name} in {time.monotonic() - started:.0f} s")


def _prune(name: str) -> None:
    """Remove builds of a name that no process uses, but for those that were used last."""
    found = [path for path in root().glob(f"{name}-{'[0-9a-f]' * KEY_LENGTH}*") if path.is_dir()]
    found.sort(key=lambda folder: _lock_path(folder).stat().st_mtime, reverse=True)
    for folder in found[KEEP:]:
        with open(_lock_path(folder), "ab") as lock, suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(folder)
