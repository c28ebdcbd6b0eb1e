# SPDX-License-Identifier: GPL-3.0-or-later
"""Device nodes, those that are there and those that one makes."""

import os
import stat
import time

from . import network


def nodes(folder: str) -> list[str]:
    """Return the device nodes below a folder that open, with their numbers."""
    found = []
    for directory, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(directory, name)
            try:
                status = os.lstat(path)
                if not (stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode)):
                    continue
                os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY))
            except OSError:
                continue
            kind = "block" if stat.S_ISBLK(status.st_mode) else "char"
            number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
            found.append(f"{path} {kind} {number}")
    return sorted(found)


def hold_tap(name: str) -> str:
    """Make a virtual interface, and keep it for a second."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR)
    network.make_tap(descriptor, name)
    time.sleep(0.8)
    os.close(descriptor)
    return name
