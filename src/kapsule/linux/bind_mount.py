# SPDX-License-Identifier: GPL-3.0-or-later
"""mount(2), as far as a daemon needs it. Raises only OSError and knows no policy."""

import ctypes
import os

from kapsule.linux.result import check

_MS_BIND, _MS_PRIVATE = 0x1000, 0x40000  # include/uapi/linux/mount.h

_libc = ctypes.CDLL(None, use_errno=True)


def bind(source: str, target: str) -> None:
    """Show source at target as well; both must be files, or both directories."""
    _mount(os.fsencode(source), target, _MS_BIND)


def make_private(path: str) -> None:
    """Have nothing that is mounted below a mount point appear in other places.

    mount_namespaces(7), "Shared subtrees". Raises OSError with EINVAL when it is no mount point.
    """
    _mount(None, path, _MS_PRIVATE)


def _mount(source: bytes | None, target: str, flags: int) -> None:
    check(_libc.mount(source, os.fsencode(target), None, flags, None), target)
