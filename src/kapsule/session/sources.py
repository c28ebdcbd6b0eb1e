# SPDX-License-Identifier: GPL-3.0-or-later
"""Open what a session shares, with the caller's own rights. Runs on the host.

The paths come from the caller's environment, so they lead anywhere. What is opened must be of the
expected kind, be within the caller's reach, and be the caller's own, or root's where we chose the
path: a container may be root to whoever listens behind a socket. Of X cookies, what is for the
display is read.
"""

import ctypes
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from kapsule.linux import paths
from kapsule.session import copies, xauthority
from kapsule.session.shares import COOKIES, FILTERED_BUS, SOCKET, Share

_ROOT = 0
_MOST_COOKIES = 256 * 1024  # bytes; an entry has some fifty
_AT_EACCESS = 0x200
_AT_EMPTY_PATH = 0x1000
_SYS_FACCESSAT2 = 439

_libc = ctypes.CDLL(None, use_errno=True)


class Caller(NamedTuple):
    """Whose rights count."""

    uid: int
    gid: int
    groups: tuple[int, ...]


class Source(NamedTuple):
    """A share that can be shared: an O_PATH descriptor, and which file it is.

    copy: what is put in place instead of the file itself, None where it is the file.
    """

    share: Share
    descriptor: int
    file: tuple[int, int]
    copy: bytes | None = None


@contextmanager
def opened(shares: tuple[Share, ...], caller: Caller) -> Iterator[tuple[list[Source], list[str]]]:
    """Open the sources as the caller; give those that can be shared, and notes on others.

    What is missing is passed over in silence unless the caller named it.
    """
    sources: list[Source] = []
    notes: list[str] = []
    try:
        with rights_of(caller):
            for share in shares:
                try:
                    sources.append(_open(share, caller.uid))
                except (OSError, ValueError) as error:
                    notes += _complaint(share, error)
        yield sources, notes
    finally:
        for source in sources:
            os.close(source.descriptor)


def _open(share: Share, uid: int) -> Source:
    flags = os.O_PATH
    descriptor = paths.open_at(paths.AT_FDCWD, share.source, flags, paths.RESOLVE_NO_MAGICLINKS)
    try:
        status = os.fstat(descriptor)
        _check(share, status, descriptor, uid)
        copy = _read_cookies(share, descriptor) if share.kind == COOKIES else None
    except (OSError, ValueError):
        os.close(descriptor)
        raise
    return Source(share, descriptor, (status.st_dev, status.st_ino), copy)


def _read_cookies(share: Share, descriptor: int) -> bytes:
    content = copies.read(descriptor, _MOST_COOKIES)
    cookies = xauthority.for_any_host(content, share.display, os.uname().nodename)
    if not cookies:
        raise ValueError(f"it has no cookie for display :{share.display}")
    return cookies


def _check(share: Share, status: os.stat_result, descriptor: int, uid: int) -> None:
    is_socket = share.kind in (SOCKET, FILTERED_BUS)
    is_expected = stat.S_ISSOCK if is_socket else stat.S_ISREG
    if not is_expected(status.st_mode):
        raise OSError("it is no socket" if is_socket else "it is no file")
    if status.st_uid != uid and not (share.system and status.st_uid == _ROOT):
        raise OSError("it belongs to another user")
    wanted = os.W_OK if is_socket else os.R_OK  # connecting takes writing: unix(7)
    flags = _AT_EACCESS | _AT_EMPTY_PATH
    if _libc.syscall(_SYS_FACCESSAT2, descriptor, b"", wanted, flags) < 0:
        raise OSError(os.strerror(ctypes.get_errno()))


def _complaint(share: Share, error: Exception) -> list[str]:
    if not share.named:
        return []
    reason = getattr(error, "strerror", None) or str(error)
    name = ascii(share.source) if not share.source.isprintable() else share.source
    return [f"{share.variable or share.kind} is not shared: {name[:200]}: {reason}"]


@contextmanager
def rights_of(caller: Caller) -> Iterator[None]:
    """Access files as the caller does. This process has one thread, so nobody else does."""
    before = os.getgroups()
    os.setgroups(caller.groups)
    _libc.setfsgid(caller.gid)
    _libc.setfsuid(caller.uid)
    if _libc.setfsuid(-1) != caller.uid:  # it reports no failure: setfsuid(2)
        raise PermissionError("cannot take on the caller's rights")
    try:
        yield
    finally:
        _libc.setfsuid(_ROOT)
        _libc.setfsgid(_ROOT)
        os.setgroups(before)
