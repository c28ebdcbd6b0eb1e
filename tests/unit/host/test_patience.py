# SPDX-License-Identifier: GPL-3.0-or-later
import asyncio
import errno
import threading

import pytest

from kapsule.host.patience import run_in_own_thread


async def test_result() -> None:
    """What the work returns comes back."""
    assert await run_in_own_thread(1000, lambda: 7, 10) == 7


async def test_error() -> None:
    """What it raises comes back as well."""
    with pytest.raises(ZeroDivisionError):
        await run_in_own_thread(1000, lambda: 1 // 0, 10)


async def test_work_that_hangs() -> None:
    """What hangs for one user gets few threads, and holds up neither others nor the event loop."""
    gate = threading.Event()
    try:
        hanging = [run_in_own_thread(1000, gate.wait, 0.05) for _ in range(50)]
        outcomes = await asyncio.gather(*hanging, return_exceptions=True)
        numbers = [each.errno for each in outcomes if isinstance(each, OSError)]
        assert numbers.count(errno.ETIMEDOUT) == 16
        assert numbers.count(errno.EAGAIN) == 34
        assert await run_in_own_thread(1001, lambda: 7, 10) == 7
        assert await asyncio.to_thread(lambda: 7) == 7
    finally:
        gate.set()
