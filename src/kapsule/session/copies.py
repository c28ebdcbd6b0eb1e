# SPDX-License-Identifier: GPL-3.0-or-later
"""Private copies in a container of files that the host cannot share as they are.

A copy belongs to the user and is readable to nobody else. It is replaced as a whole, so that a
program that reads it sees the old one or the new one.
"""

import os
import stat
from contextlib import suppress

_MODE = 0o600
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def read(descriptor: int, limit: int) -> bytes:
    """Return what is in a regular file that is open with O_PATH; ValueError if it is over limit.

    The file is opened anew, with the rights that this process has now. Raises OSError.
    """
    readable = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
    with open(readable, "rb", buffering=0) as file:
        content = b""
        while len(content) <= limit and (more := file.read(limit + 1 - len(content))):
            content += more
    if len(content) > limit:
        raise ValueError(f"it is larger than {limit} bytes")
    return content


def is_copy(descriptor: int, content: bytes, uid: int) -> bool:
    """Say whether what is open with O_PATH is a copy of that content, and the user's alone."""
    status = os.fstat(descriptor)
    is_private = stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) == _MODE
    if not is_private or (status.st_uid, status.st_size) != (uid, len(content)):
        return False
    try:
        return read(descriptor, len(content)) == content
    except (OSError, ValueError):
        return False


def write(parent: int, name: str, content: bytes, uid: int, gid: int) -> None:
    """Put a copy at a name in the directory parent, in place of what is there. Raises OSError.

    It is a new file, made beside the name: what somebody has put there is not written to.
    """
    temporary = f".{name}.{os.getpid()}~"
    with suppress(FileNotFoundError):  # of a process that was killed
        os.unlink(temporary, dir_fd=parent)
    made = os.open(temporary, _FLAGS, _MODE, dir_fd=parent)
    try:
        with open(made, "wb") as file:
            file.write(content)
            file.flush()
            os.fchown(made, uid, gid)
        os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=parent)
        raise
