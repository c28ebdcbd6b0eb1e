# SPDX-License-Identifier: GPL-3.0-or-later
"""Descriptors of this process, daemon and client in one; the daemon closes others' in threads."""

import asyncio
import os
from collections.abc import Callable


def open_descriptors() -> int:
    """Return how many there are."""
    return len(os.listdir("/proc/self/fd"))


async def closed(is_so: Callable[[], bool]) -> None:
    """Wait until what the daemon closes makes something true."""
    for _ in range(2000):
        if is_so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it is open still")
