# SPDX-License-Identifier: GPL-3.0-or-later
"""What functions of the C library return, which say in errno why they failed."""

import ctypes
import os


def check(result: int, path: str | None = None) -> int:
    """Return a result that tells of success; raise OSError for a negative one.

    path: what the call was about. The library has to be loaded with use_errno.
    """
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return result
