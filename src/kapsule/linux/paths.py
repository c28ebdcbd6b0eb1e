# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths that lead nowhere else: openat2(2). Raises only OSError and knows no policy."""

import ctypes
import errno
import os

from kapsule.linux.result import check

AT_FDCWD = -100  # in place of a descriptor: where a relative path begins is the working directory

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_IN_ROOT = 0x10

_SYS_OPENAT2 = 437  # on all architectures

_libc = ctypes.CDLL(None, use_errno=True)


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_at(directory: int, path: str, flags: int, resolve: int) -> int:
    """Open a path below a directory. resolve: RESOLVE_* flags. Close-on-exec."""
    name = os.fsencode(path)
    if b"\0" in name:  # the kernel would see the path end there
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    how = _OpenHow(flags | os.O_CLOEXEC, 0, resolve)
    arguments = (directory, name, ctypes.byref(how), ctypes.sizeof(how))
    return check(_libc.syscall(_SYS_OPENAT2, *arguments), path)
