# SPDX-License-Identifier: GPL-3.0-or-later
"""Make files in a container with an exact owner and mode. Runs inside it, as its root."""

import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from kapsule.session.guest_actions import Action, CopyTree, Remove
from kapsule.session.guest_reading import READ_FLAGS
from kapsule.session.sources import Caller, rights_of

CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NO_SET_ID = 0o777
_CHUNK = 1024 * 1024


@contextmanager
def named(path: str) -> Iterator[None]:
    """Have an OSError say that it is about path; write(2) knows only a descriptor."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from error


def write_all(descriptor: int, data: bytes) -> None:
    """Write data to the last byte; write(2) may take less."""
    while data:
        data = data[os.write(descriptor, data) :]


def own(descriptor: int, mode: int, uid: int, gid: int) -> None:
    """Set owner and mode, in this order: chown(2) clears the set-id bits."""
    os.fchown(descriptor, uid, gid)
    os.fchmod(descriptor, mode)


def copy_tree(action: CopyTree) -> Iterator[Action]:
    """Carry out a CopyTree; yield what takes back each thing that was made. Raises OSError."""
    steps = _copy_tree(action)
    while True:
        with _rights(action):
            undo = next(steps, None)
        if undo is None:
            return
        yield undo


def _rights(action: CopyTree) -> AbstractContextManager[None]:
    if not action.as_user:
        return nullcontext()
    return rights_of(Caller(action.uid, action.gid, (action.gid,)))


def _copy_tree(action: CopyTree) -> Iterator[Action]:
    pending = [(action.source, action.target)]
    while pending:
        source, target = pending.pop()
        for name in _list(source, action):
            original, copy = os.path.join(source, name), os.path.join(target, name)
            if not os.path.lexists(copy) and _is_readable(original, action):
                yield from _copy(original, copy, action.uid, action.gid)
            if not os.path.islink(copy) and os.path.isdir(copy) and _is_directory(original):
                pending.append((original, copy))


def _list(source: str, action: CopyTree) -> list[str]:
    try:
        return sorted(os.listdir(source))
    except PermissionError:
        if action.as_user:
            return []
        raise


def _is_readable(original: str, action: CopyTree) -> bool:
    if not action.as_user or os.path.islink(original):
        return True
    return os.access(original, os.R_OK, effective_ids=True)


def _copy(original: str, copy: str, uid: int, gid: int) -> Iterator[Action]:
    """Copy one thing, a directory without what is in it."""
    state = os.lstat(original)
    if stat.S_ISLNK(state.st_mode):
        os.symlink(os.readlink(original), copy)
        yield Remove(copy)
        os.lchown(copy, uid, gid)
    elif stat.S_ISDIR(state.st_mode):
        os.mkdir(copy, 0o700)
        yield Remove(copy)
        os.chown(copy, uid, gid)
        os.chmod(copy, state.st_mode & _NO_SET_ID)
    elif stat.S_ISREG(state.st_mode):
        descriptor = os.open(copy, CREATE_FLAGS, 0o600)
        yield Remove(copy)
        with named(copy), open(descriptor, "wb", buffering=0):
            _copy_content(original, descriptor)
            own(descriptor, state.st_mode & _NO_SET_ID, uid, gid)


def _copy_content(original: str, descriptor: int) -> None:
    with open(os.open(original, READ_FLAGS), "rb", buffering=0) as source:
        while data := source.read(_CHUNK):
            write_all(descriptor, data)


def _is_directory(path: str) -> bool:
    return stat.S_ISDIR(os.lstat(path).st_mode)
