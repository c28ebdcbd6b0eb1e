# SPDX-License-Identifier: GPL-3.0-or-later
"""Open the directories that a container shows, with their owner's own rights. Runs on the host.

Their paths were real ones when they were chosen. A link in one was put there since, maybe by a
program inside the container, so it is not followed. A process of its own opens them: what a file
system does not answer can only be left behind.
"""

import errno
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, NoReturn

from kapsule.linux import paths
from kapsule.session import protocol
from kapsule.session.folders import Folder, may_be_shared
from kapsule.session.sources import Caller, rights_of

_PATIENCE = 2.0  # seconds; a network file system whose server is away
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK
_NO_LINKS = paths.RESOLVE_NO_MAGICLINKS | paths.RESOLVE_NO_SYMLINKS


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
    if not folders:
        yield [], []
        return
    directories: list[Directory] = []
    notes: list[str] = []
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        _be_the_opener(folders, owner, theirs)
    theirs.close()
    try:
        if not _collect(folders, ours, directories, notes):
            os.kill(child, signal.SIGKILL)  # and not waited for: it hangs, maybe for ever
        else:
            os.waitpid(child, 0)
        yield directories, notes
    finally:
        ours.close()
        for directory in directories:
            os.close(directory.descriptor)


def _collect(
    folders: tuple[Folder, ...],
    channel: socket.socket,
    directories: list[Directory],
    notes: list[str],
) -> bool:
    """Take the answers; say whether there was one for each folder."""
    channel.settimeout(_PATIENCE)
    for number, folder in enumerate(folders):
        try:
            answer, given = protocol.receive(channel)
        except (OSError, EOFError):
            away = (each.source for each in folders[number:])
            notes += [f"{path} does not answer; the container goes without it" for path in away]
            return False
        notes += answer["notes"]
        for descriptor in given:
            device, inode = answer["file"]
            directories.append(Directory(folder, descriptor, (device, inode)))
    return True


def _be_the_opener(folders: tuple[Folder, ...], owner: Caller, channel: socket.socket) -> NoReturn:
    """Answer for one folder after the other. One that hangs keeps those behind it, too."""
    try:
        with rights_of(owner):
            for folder in folders:
                _answer(folder, channel)
    finally:
        os._exit(0)


def _answer(folder: Folder, channel: socket.socket) -> None:
    try:
        descriptor = _open(folder)
    except OSError as error:
        protocol.send(channel, {"notes": [_complaint(folder, error)]})
        return
    status = os.fstat(descriptor)
    answer = {"notes": [], "file": [status.st_dev, status.st_ino]}
    protocol.send(channel, answer, (descriptor,))
    os.close(descriptor)


def _open(folder: Folder) -> int:
    descriptor = paths.open_at(paths.AT_FDCWD, folder.source, _FLAGS, _NO_LINKS)
    try:
        if os.fstat(descriptor).st_nlink == 0:  # it was removed while we opened it
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if not may_be_shared(os.readlink(f"/proc/self/fd/{descriptor}")):
            raise OSError("it is the host's own")
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _complaint(folder: Folder, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{folder.source} is not there; the container goes without it"
    if error.errno == errno.ELOOP:
        return f"{folder.source} has become a link, so it is not shared any more"
    return f"{folder.source} cannot be shared: {error.strerror or error}"
