# SPDX-License-Identifier: GPL-3.0-or-later
import asyncio
import errno
import threading

import pytest

from kapsule.host.patience import run_in_own_thread


async def test_result() -> None:
    """What the work returns comes back."""
    assert await run_in_own_thread(lambda: 7, 10) == 7


async def test_error() -> None:
    """What it raises comes back as well."""
    with pytest.raises(ZeroDivisionError):
        await run_in_own_thread(lambda: 1 // 0, 10)


async def test_work_that_hangs() -> None:
    """Any amount of work that hangs holds up neither the caller nor the loop's own threads."""
    gate = threading.Event()
    try:
        hanging = [run_in_own_thread(gate.wait, 0.05) for _ in range(50)]
        for outcome in await asyncio.gather(*hanging, return_exceptions=True):
            assert isinstance(outcome, OSError)
            assert outcome.errno == errno.ETIMEDOUT
        assert await asyncio.to_thread(lambda: 7) == 7
    finally:
        gate.set()
