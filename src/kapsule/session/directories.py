# SPDX-License-Identifier: GPL-3.0-or-later
"""Open the directories that a container shows, with their owner's own rights. Runs on the host.

Their paths were real ones when they were chosen. A link in one was put there since, maybe by a
program inside the container, so it is not followed.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from kapsule.linux import mounts
from kapsule.session.folders import Folder, may_be_shared
from kapsule.session.sources import Caller, rights_of

_AT_FDCWD = -100
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK
_NO_LINKS = mounts.RESOLVE_NO_MAGICLINKS | mounts.RESOLVE_NO_SYMLINKS


class Directory(NamedTuple):
    """A folder that can be shown: a descriptor, and which directory it is."""

    folder: Folder
    descriptor: int
    file: tuple[int, int]


@contextmanager
def opened(
    folders: tuple[Folder, ...], owner: Caller
) -> Iterator[tuple[list[Directory], list[str]]]:
    """Open folders as the owner; give those that can be shown, and notes on the others."""
    directories: list[Directory] = []
    notes: list[str] = []
    try:
        with rights_of(owner):
            for folder in folders:
                try:
                    directories.append(_open(folder))
                except OSError as error:
                    notes.append(_complaint(folder, error))
        yield directories, notes
    finally:
        for directory in directories:
            os.close(directory.descriptor)


def _open(folder: Folder) -> Directory:
    descriptor = mounts.open_at(_AT_FDCWD, folder.source, _FLAGS, _NO_LINKS)
    try:
        status = os.fstat(descriptor)
        if status.st_nlink == 0:  # it was removed while we opened it
            raise FileNotFoundError
        if not may_be_shared(os.readlink(f"/proc/self/fd/{descriptor}")):
            raise OSError("it is the host's own")
    except OSError:
        os.close(descriptor)
        raise
    return Directory(folder, descriptor, (status.st_dev, status.st_ino))


def _complaint(folder: Folder, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{folder.source} is not there; the container goes without it"
    if error.errno == errno.ELOOP:
        return f"{folder.source} has become a link, so it is not shared any more"
    return f"{folder.source} cannot be shared: {error.strerror or error}"
