# SPDX-License-Identifier: GPL-3.0-or-later
"""File access with a user's own rights, from a root process.

Linux keeps the credentials that file access is checked with per thread, so a thread takes on the
user's, works and ends: nothing has to be restored, and no other thread ever has them. Changing the
file-system uid from 0 also drops the capabilities that override file permissions: capabilities(7).
"""

import asyncio
import ctypes
import errno
import os
import stat
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Protocol, TypeVar

from kapsule.linux.paths import AT_FDCWD, RESOLVE_NO_MAGICLINKS, open_at
from kapsule.linux.result import check
from kapsule.linux.threads import Threads

T = TypeVar("T")

# glibc's own setgroups() changes all threads, so the system call is made directly. Numbers: the
# generic table and x86-64's, include/uapi/asm-generic/unistd.h and syscall_64.tbl.
_SYS_SETGROUPS = {"x86_64": 116}.get(os.uname().machine, 159)
_NO_ID = 0xFFFFFFFF

_READ_SECONDS = 5.0
_MAX_THREADS = 8  # of one user; more means that they all hang

_libc = ctypes.CDLL(None, use_errno=True)
for _function in (_libc.setfsuid, _libc.setfsgid):
    _function.argtypes = (ctypes.c_uint32,)
    _function.restype = ctypes.c_uint32
_threads = Threads(_MAX_THREADS)


class Identity(Protocol):
    """Whose rights count: a HostUser."""

    @property
    def uid(self) -> int:
        """The user."""

    @property
    def gid(self) -> int:
        """The primary group."""

    @property
    def groups(self) -> tuple[int, ...]:
        """All groups."""


def open_as(user: Identity, path: str, flags: int) -> int:
    """Open a file as that user and return the descriptor, close-on-exec.

    flags: as for os.open(), without O_CREAT. It may block as long as open(2) does, so do not call
    it on an event loop. Links of /proc that lead into this process's own files are not followed.
    Raises OSError, with EAGAIN when too many accesses for this user hang already.
    """
    return _start(user, partial(_open, path, flags)).result()


async def read_small_file(user: Identity, path: str, limit: int = 65536) -> bytes:
    """Return what is in a regular file that the user may read.

    limit: bytes. Raises OSError; also with EINVAL when it is no regular file, EFBIG when it is
    larger, ETIMEDOUT when its file system does not answer.
    """
    return await run_as(user, partial(_read, path, limit), _READ_SECONDS)


async def run_as(user: Identity, work: Callable[[], T], seconds: float) -> T:
    """Return what work returns, which has that user's rights to files; nothing else is theirs.

    seconds: how long to wait for a file system that does not answer; then work is left behind.
    Raises what work raises, and OSError: with ETIMEDOUT, and with EAGAIN as open_as() does.
    """
    try:
        return await asyncio.wait_for(asyncio.wrap_future(_start(user, work)), seconds)
    except TimeoutError as error:
        raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from error


def _start(user: Identity, work: Callable[[], T]) -> Future[T]:
    return _threads.start(user.uid, partial(_become_and_run, user, work))


def _become_and_run(user: Identity, work: Callable[[], T]) -> T:
    _become(user)
    return work()


def _become(user: Identity) -> None:
    groups = (ctypes.c_uint32 * len(user.groups))(*user.groups)
    check(_libc.syscall(_SYS_SETGROUPS, len(user.groups), groups))
    _set(_libc.setfsgid, user.gid)
    _set(_libc.setfsuid, user.uid)


def _set(change: Callable[[int], int], wanted: int) -> None:
    """Change an id. setfsuid(2): it reports no failure; a second call tells what is set."""
    change(wanted)
    if change(_NO_ID) != wanted:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def _open(path: str, flags: int) -> int:
    return open_at(AT_FDCWD, path, flags, RESOLVE_NO_MAGICLINKS)


def _read(path: str, limit: int) -> bytes:
    # O_NONBLOCK: opening a FIFO would wait for its other end.
    descriptor = _open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "Not a regular file", path)
        content = _read_up_to(descriptor, limit + 1)
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
    return content


def _read_up_to(descriptor: int, size: int) -> bytes:
    content = b""
    while len(content) < size and (more := os.read(descriptor, size - len(content))):
        content += more
    return content
