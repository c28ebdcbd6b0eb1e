# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts by descriptor: open_tree(2), move_mount(2), and paths that lead nowhere else.

Raises only OSError and knows no policy.
"""

import ctypes
import errno
import os

# The numbers are the same on all architectures: include/uapi/asm-generic/unistd.h.
_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_SYS_OPENAT2 = 437
_SYS_MOUNT_SETATTR = 442

_AT_EMPTY_PATH = 0x1000
_AT_FDCWD = -100
_AT_SYMLINK_NOFOLLOW = 0x100
_AT_RECURSIVE = 0x8000
_OPEN_TREE_CLONE = 1
_MOVE_MOUNT_F_EMPTY_PATH = 0x04
_MOVE_MOUNT_T_EMPTY_PATH = 0x40
_MOUNT_ATTR_RDONLY = 0x01
_MOUNT_ATTR_NOSUID = 0x02
_MOUNT_ATTR_NODEV = 0x04
_MOUNT_ATTR_NOEXEC = 0x08
_MS_REC = 1 << 14
_MS_PRIVATE = 1 << 18
_MNT_DETACH = 2
_UMOUNT_NOFOLLOW = 8

RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_IN_ROOT = 0x10

_libc = ctypes.CDLL(None, use_errno=True)


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def _check(result: int, path: str = "") -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path or None)
    return result


def open_at(directory: int, path: str, flags: int, resolve: int) -> int:
    """Open a path below a directory: openat2(2). resolve: RESOLVE_* flags. Close-on-exec."""
    name = os.fsencode(path)
    if b"\0" in name:  # the kernel would see the path end there
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
    how = _OpenHow(flags | os.O_CLOEXEC, 0, resolve)
    arguments = (directory, name, ctypes.byref(how), ctypes.sizeof(how))
    return _check(_libc.syscall(_SYS_OPENAT2, *arguments), path)


def clone(descriptor: int, *, read_only: bool) -> int:
    """Return a mount of its own of the file that descriptor is open on, attached nowhere.

    No program can be run from it, what is mounted below or taken away elsewhere does not follow
    (mount_namespaces(7), private), and read_only: nothing can be written to it.
    """
    return _clone(descriptor, _MOUNT_ATTR_NOEXEC | _read_only(read_only), 0)


def clone_tree(descriptor: int, *, read_only: bool) -> int:
    """Do as clone() for a directory with all that is mounted in it, but let programs be run."""
    return _clone(descriptor, _read_only(read_only), _AT_RECURSIVE)


def clone_path(path: str) -> int:
    """Return a copy, attached nowhere, of the mount at path and what is mounted in it, as it is."""
    flags = _OPEN_TREE_CLONE | _AT_RECURSIVE | _AT_SYMLINK_NOFOLLOW | os.O_CLOEXEC
    return _check(_libc.syscall(_SYS_OPEN_TREE, _AT_FDCWD, os.fsencode(path), flags), path)


def _read_only(wanted: bool) -> int:
    return _MOUNT_ATTR_RDONLY if wanted else 0


def _clone(descriptor: int, more: int, depth: int) -> int:
    """more: MOUNT_ATTR_* flags to set. depth: _AT_RECURSIVE or 0."""
    flags = _AT_EMPTY_PATH | _OPEN_TREE_CLONE | os.O_CLOEXEC | depth
    tree = _check(_libc.syscall(_SYS_OPEN_TREE, descriptor, b"", flags))
    wanted = _MOUNT_ATTR_NOSUID | _MOUNT_ATTR_NODEV | more
    attributes = _MountAttributes(attr_set=wanted, propagation=_MS_PRIVATE)
    size = ctypes.sizeof(attributes)
    try:
        arguments = (tree, b"", _AT_EMPTY_PATH | depth, ctypes.byref(attributes), size)
        _check(_libc.syscall(_SYS_MOUNT_SETATTR, *arguments))
    except OSError:
        os.close(tree)
        raise
    return tree


def attach(tree: int, target: int) -> None:
    """Attach a mount that clone() made to the file that target is open on."""
    flags = _MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_EMPTY_PATH
    _check(_libc.syscall(_SYS_MOVE_MOUNT, tree, b"", target, b"", flags))


def be_private() -> None:
    """Let no mount in this process's namespace be seen in others, nor the other way round."""
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)


def mount_memory(path: str) -> None:
    """Mount a new, empty file system at path, where everybody may look around."""
    _mount(b"tmpfs", path, b"tmpfs", 0, b"mode=0755")


def detach(name: str) -> None:
    """Take away the mount at a name in the working directory; who uses it keeps it."""
    _check(_libc.umount2(os.fsencode(name), _MNT_DETACH | _UMOUNT_NOFOLLOW), name)


def _mount(
    source: bytes | None, path: str, kind: bytes | None, flags: int, options: bytes | None = None
) -> None:
    _check(_libc.mount(source, os.fsencode(path), kind, flags, options), path)
