# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out one action on the files of a container. Runs inside it, as its root.

Each function is a generator. It yields what takes a change back as soon as the change is made, so
that a failure in the middle of an action can be undone like one between two.
"""

import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress

from kapsule.session.guest_actions import (
    DIRECTORY,
    OTHER,
    SYMLINK,
    Action,
    CopyTree,
    GuestFile,
    MakeDirectory,
    Remove,
    SetFileCapability,
    SetHostname,
    Symlink,
    WriteFile,
)
from kapsule.session.guest_capabilities import set_file_capability
from kapsule.session.guest_copying import CREATE_FLAGS, copy_tree, named, own, write_all
from kapsule.session.guest_reading import look

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_PARENT_MODE = 0o755


def carry_out(action: Action) -> Iterator[Action]:
    """Carry an action out and yield what takes it back, in the order of the changes.

    Raises OSError with the path that it is about.
    """
    if isinstance(action, WriteFile):
        return _write_file(action)
    if isinstance(action, MakeDirectory):
        return _make_directory(action)
    if isinstance(action, Symlink):
        return _symlink(action)
    if isinstance(action, CopyTree):
        return copy_tree(action)
    if isinstance(action, Remove):
        return _remove(action)
    if isinstance(action, SetFileCapability):
        return set_file_capability(action)
    return _set_hostname(action)


def _write_file(action: WriteFile) -> Iterator[Action]:
    before = look(action.path, binary=True)
    if action.replaces is not None and action.replaces != _replaceable_text(before):
        raise OSError(errno.ESTALE, "the file changed in the meantime", action.path)
    if before and before[1:5] == (action.content, action.mode, action.uid, action.gid):
        return
    restore = _restoring(action.path, before, now=action.content)

    def fill(temporary: str) -> None:
        descriptor = os.open(temporary, CREATE_FLAGS, 0o600)
        with open(descriptor, "wb", buffering=0):
            write_all(descriptor, action.content.encode(errors="surrogateescape"))
            own(descriptor, action.mode, action.uid, action.gid)

    _replace(action.path, fill)
    yield restore


def _replaceable_text(file: GuestFile | None) -> str | None:
    if file is None:
        return ""
    return None if file.kind == SYMLINK else file.content


def _restoring(path: str, before: GuestFile | None, *, now: str | None = None) -> Action:
    """Return what puts back what was at path. Raises OSError for what cannot be put back.

    now: the text that is there when it is to be put back; None where that does not matter.
    """
    if before is None:
        return Remove(path)
    if before.content is None:
        number = errno.EISDIR if before.kind == DIRECTORY else errno.EFBIG
        number = errno.EINVAL if before.kind == OTHER else number
        raise OSError(number, os.strerror(number), path)
    if before.kind == SYMLINK:
        return Symlink(path, before.content, before.uid, before.gid)
    return WriteFile(path, before.content, before.mode, before.uid, before.gid, replaces=now)


def _replace(path: str, fill: Callable[[str], None]) -> None:
    """Make a new file beside path by fill(), and rename it to path.

    Its name has a dot, so that sudo takes it for no rule: sudoers(5), "@includedir". It is always
    the same, so that what a killed process left is not left for ever.
    """
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f".{name[:200]}.kapsule~")
    with named(path):
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        try:
            fill(temporary)
            os.rename(temporary, path)
        finally:
            with suppress(OSError):
                os.unlink(temporary)


def _make_directory(action: MakeDirectory) -> Iterator[Action]:
    if action.parents:
        for parent in _missing_parents(action.path):
            yield from _make_directory(MakeDirectory(parent, _PARENT_MODE))
    before = look(action.path)
    if before is None:
        os.mkdir(action.path, 0o700)
        yield Remove(action.path)
    elif before[2:5] == (action.mode, action.uid, action.gid) and before.kind == DIRECTORY:
        return
    descriptor = os.open(action.path, _DIRECTORY_FLAGS)
    try:
        if before is not None:
            yield MakeDirectory(action.path, before.mode, before.uid, before.gid)
        with named(action.path):
            own(descriptor, action.mode, action.uid, action.gid)
    finally:
        os.close(descriptor)


def _missing_parents(path: str) -> list[str]:
    """Return the directories above path that do not exist, the highest first."""
    missing = []
    parent = os.path.dirname(path.rstrip("/"))
    while parent.strip("/") and not os.path.exists(parent):
        missing.append(parent)
        parent = os.path.dirname(parent)
    return missing[::-1]


def _symlink(action: Symlink) -> Iterator[Action]:
    before = look(action.path, binary=True)
    if before and before.kind == SYMLINK and before.content == action.target:
        return
    restore = _restoring(action.path, before)
    _replace(action.path, lambda temporary: _link(action, temporary))
    yield restore


def _link(action: Symlink, at: str) -> None:
    os.symlink(action.target, at)
    os.lchown(at, action.uid, action.gid)


def _remove(action: Remove) -> Iterator[Action]:
    before = look(action.path, binary=True)
    if before is None:
        return
    if before.kind == DIRECTORY:
        yield from _remove_directory(action.path, before)
        return
    restore = _restoring(action.path, before)
    os.unlink(action.path)
    yield restore


def _remove_directory(path: str, before: GuestFile) -> Iterator[Action]:
    try:
        os.rmdir(path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EBUSY):
            raise
        return
    yield MakeDirectory(path, before.mode, before.uid, before.gid)


def _set_hostname(action: SetHostname) -> Iterator[Action]:
    before = os.uname().nodename
    if before == action.name:
        return
    with named(action.name):
        socket.sethostname(action.name)
    yield SetHostname(before)
