# SPDX-License-Identifier: GPL-3.0-or-later
"""Work on file systems that may never answer, such as network ones and those of users (FUSE)."""

import asyncio
import errno
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def run_in_own_thread(work: Callable[[], T], seconds: float) -> T:
    """Return what work returns; give up waiting after some seconds.

    The event loop's own threads are few and shared by all callers, so what may hang gets one for
    itself. It is left behind when it hangs: nothing can end it but its file system.
    Raises what work raises, and OSError with ETIMEDOUT.
    """
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    # A daemon thread: one that hangs must not keep the process from ending.
    threading.Thread(target=run, daemon=True).start()
    done, _ = await asyncio.wait({asyncio.wrap_future(outcome)}, timeout=seconds)
    if not done:
        raise OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
    return done.pop().result()
