# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at the files of a container. Runs inside it, as its root.

What is there is the guest's doing: a FIFO, a device or a program's image is not read.
"""

import os
import stat
from collections.abc import Iterable
from itertools import islice

from kapsule.linux import statx
from kapsule.session.guest_actions import DIRECTORY, FILE, OTHER, SYMLINK, GuestFile

MAX_SIZE = 1024 * 1024
MAX_ENTRIES = 1000

READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_CHUNK = 64 * 1024


def read_files(paths: Iterable[str]) -> dict[str, GuestFile | None]:
    """Return what is at each path, None where nothing is. Raises OSError."""
    return {path: look(path) for path in paths}


def look(path: str, *, binary: bool = False) -> GuestFile | None:
    """Return what is at path, or None.

    binary: whether the content of a file with NUL bytes is wanted, too. Raises OSError.
    """
    try:
        state = os.lstat(path)
        if stat.S_ISLNK(state.st_mode):
            return _describe(state, SYMLINK, content=os.readlink(path), at=path)
        if stat.S_ISDIR(state.st_mode):
            return _describe(state, DIRECTORY, entries=_entries(path), at=path)
        if stat.S_ISREG(state.st_mode):
            return _read(path, binary)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return _describe(state, OTHER, at=path)


def _describe(
    state: os.stat_result,
    kind: str,
    *,
    at: str,
    content: str | None = None,
    entries: tuple[str, ...] | None = (),
) -> GuestFile:
    return GuestFile(
        kind=kind,
        content=content,
        mode=stat.S_IMODE(state.st_mode),
        uid=state.st_uid,
        gid=state.st_gid,
        entries=entries,
        executable=kind in (FILE, SYMLINK) and _is_executable(at),
        mounted=statx.mount_id(at) != statx.mount_id("/"),
    )


def _read(path: str, binary: bool) -> GuestFile:
    """Describe a file, with its content. It may have become something else in the meantime."""
    descriptor = os.open(path, READ_FLAGS)
    with open(descriptor, "rb", buffering=0) as file:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            return _describe(state, OTHER, at=path)
        data = b""
        while len(data) <= MAX_SIZE and (chunk := file.read(_CHUNK)):
            data += chunk
    readable = len(data) <= MAX_SIZE and (binary or b"\0" not in data)
    return _describe(state, FILE, content=_text(data) if readable else None, at=path)


def _entries(path: str) -> tuple[str, ...] | None:
    with os.scandir(path) as found:
        names = [entry.name for entry in islice(found, MAX_ENTRIES + 1)]
    return tuple(sorted(names)) if len(names) <= MAX_ENTRIES else None


def _is_executable(path: str) -> bool:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and bool(mode & 0o111)


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")
