# SPDX-License-Identifier: GPL-3.0-or-later
"""Give programs of a container their capabilities back. Runs inside it, as its root."""

import errno
import os
import stat
import struct
from collections.abc import Iterator

from kapsule.session.guest_actions import NO_CAPABILITY, Action, SetFileCapability
from kapsule.session.guest_copying import named
from kapsule.session.guest_reading import READ_FLAGS

_ATTRIBUTE = "security.capability"
# struct vfs_cap_data of linux/capability.h: revision and flags, then for the lower and the upper 32
# capabilities which are permitted and which can be inherited.
_REVISION_2, _EFFECTIVE = 0x02000000, 0x000001


def set_file_capability(action: SetFileCapability) -> Iterator[Action]:
    """Carry out a SetFileCapability; yield what takes it back. Raises OSError."""
    try:
        descriptor = os.open(action.path, READ_FLAGS)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link, a device: no program of the image's
            return
        raise
    try:
        with named(action.path):
            yield from _set(descriptor, action)
    finally:
        os.close(descriptor)


def _set(descriptor: int, action: SetFileCapability) -> Iterator[Action]:
    if action.capability == NO_CAPABILITY:
        os.removexattr(descriptor, _ATTRIBUTE)
        return
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode) or mode & stat.S_ISUID or _has_attribute(descriptor):
        return
    low, high = (1 << action.capability) & 0xFFFFFFFF, 1 << action.capability >> 32
    value = struct.pack("<IIIII", _REVISION_2 | _EFFECTIVE, low, 0, high, 0)
    try:
        os.setxattr(descriptor, _ATTRIBUTE, value)
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        return
    yield SetFileCapability(action.path, NO_CAPABILITY)


def _has_attribute(descriptor: int) -> bool:
    try:
        return bool(os.getxattr(descriptor, _ATTRIBUTE))
    except OSError:
        return False
