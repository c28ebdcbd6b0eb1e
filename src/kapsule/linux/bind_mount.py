# SPDX-License-Identifier: GPL-3.0-or-later
"""mount(2), as far as a daemon needs it. Raises only OSError and knows no policy."""

import ctypes
import os

_MS_BIND = 0x1000  # include/uapi/linux/mount.h

_libc = ctypes.CDLL(None, use_errno=True)


def bind(source: str, target: str) -> None:
    """Show source at target as well; both must be files, or both directories."""
    if _libc.mount(os.fsencode(source), os.fsencode(target), None, _MS_BIND, None) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)
