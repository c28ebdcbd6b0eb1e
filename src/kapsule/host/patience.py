# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on file systems that may never answer, such as network ones and those of users (FUSE)."""

import asyncio
import errno
import os
from collections.abc import Callable
from typing import TypeVar

from kapsule.linux.threads import Threads

T = TypeVar("T")

_threads = Threads(16)  # of one user; more means that they hang


async def run_in_own_thread(uid: int, work: Callable[[], T], seconds: float) -> T:
    """Return what work returns; give up waiting after some seconds.

    uid: of the user whose files they are. The event loop's own threads are few and shared by all
    callers, so what may hang gets one for itself. It is left behind when it hangs.
    Raises what work raises, and OSError: with ETIMEDOUT, and with EAGAIN when too much of that user
    hangs already.
    """
    outcome = asyncio.wrap_future(_threads.start(uid, work))
    done, _ = await asyncio.wait({outcome}, timeout=seconds)
    if not done:
        raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
    return outcome.result()
