# SPDX-License-Identifier: GPL-3.0-or-later
"""statx(2), which Python 3.11 lacks. Raises only OSError and knows no policy."""

import ctypes
import os
import sys

from kapsule.linux.paths import AT_FDCWD
from kapsule.linux.result import check

_AT_SYMLINK_NOFOLLOW = 0x100
_STATX_MNT_ID = 0x1000  # Linux 5.8

# struct statx has the same layout everywhere: include/uapi/linux/stat.h.
_SIZE = 256
_MNT_ID = slice(0x90, 0x98)

_libc = ctypes.CDLL(None, use_errno=True)


def mount_id(path: str, *, directory: int = AT_FDCWD) -> int:
    """Return the number of the mount that path lies on; a link at its end is not followed.

    directory: a descriptor of where a relative path begins; by default the working directory.
    """
    buffer = ctypes.create_string_buffer(_SIZE)
    arguments = (directory, os.fsencode(path), _AT_SYMLINK_NOFOLLOW, _STATX_MNT_ID, buffer)
    check(_libc.statx(*arguments), path)
    return int.from_bytes(buffer.raw[_MNT_ID], sys.byteorder)
