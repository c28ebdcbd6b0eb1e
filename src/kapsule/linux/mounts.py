# SPDX-License-Identifier: GPL-3.0-or-later
"""Mounts by descriptor: open_tree(2), move_mount(2). Raises only OSError and knows no policy."""

import ctypes
import os

from kapsule.linux.paths import AT_FDCWD
from kapsule.linux.result import check

# The numbers are the same on all architectures: include/uapi/asm-generic/unistd.h.
_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_SYS_MOUNT_SETATTR = 442

_AT_EMPTY_PATH = 0x1000
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

_libc = ctypes.CDLL(None, use_errno=True)


class _MountAttributes(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


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
    return check(_libc.syscall(_SYS_OPEN_TREE, AT_FDCWD, os.fsencode(path), flags), path)


def _read_only(wanted: bool) -> int:
    return _MOUNT_ATTR_RDONLY if wanted else 0


def _clone(descriptor: int, more: int, depth: int) -> int:
    """more: MOUNT_ATTR_* flags to set. depth: _AT_RECURSIVE or 0."""
    flags = _AT_EMPTY_PATH | _OPEN_TREE_CLONE | os.O_CLOEXEC | depth
    tree = check(_libc.syscall(_SYS_OPEN_TREE, descriptor, b"", flags))
    wanted = _MOUNT_ATTR_NOSUID | _MOUNT_ATTR_NODEV | more
    attributes = _MountAttributes(attr_set=wanted, propagation=_MS_PRIVATE)
    size = ctypes.sizeof(attributes)
    try:
        arguments = (tree, b"", _AT_EMPTY_PATH | depth, ctypes.byref(attributes), size)
        check(_libc.syscall(_SYS_MOUNT_SETATTR, *arguments))
    except OSError:
        os.close(tree)
        raise
    return tree


def attach(tree: int, target: int) -> None:
    """Attach a mount that clone() made to the file that target is open on."""
    flags = _MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_EMPTY_PATH
    check(_libc.syscall(_SYS_MOVE_MOUNT, tree, b"", target, b"", flags))


def be_private() -> None:
    """Let no mount in this process's namespace be seen in others, nor the other way round."""
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)


def mount_memory(path: str) -> None:
    """Mount a new, empty file system at path, where everybody may look around."""
    _mount(b"tmpfs", path, b"tmpfs", 0, b"mode=0755")


def detach(name: str) -> None:
    """Take away the mount at a name in the working directory; who uses it keeps it."""
    check(_libc.umount2(os.fsencode(name), _MNT_DETACH | _UMOUNT_NOFOLLOW), name)


def _mount(
    source: bytes | None, path: str, kind: bytes | None, flags: int, options: bytes | None = None
) -> None:
    check(_libc.mount(source, os.fsencode(path), kind, flags, options), path)
