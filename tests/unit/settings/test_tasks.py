# SPDX-License-Identifier: GPL-3.0-or-later
import asyncio
import gc

import pytest

from kapsule.errors import GuestError, NotFound
from kapsule.settings.tasks import Tasks


async def _fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "level"),
    [(NotFound("gone"), "INFO"), (GuestError("hangs"), "WARNING"), (ValueError("bug"), "ERROR")],
)
async def test_failures_are_only_told(
    error: Exception, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What goes wrong is in the log, as loud as it matters, and ends nothing else."""
    caplog.set_level("INFO")
    tasks = Tasks()
    tasks.start("dev", _fail(error))
    await asyncio.sleep(0)
    assert [record.levelname for record in caplog.records] == [level]
    assert "dev" not in tasks


async def test_work_is_held_on_to() -> None:
    """Nothing that only the event loop refers to is collected; cancelling ends it all."""
    tasks, ended = Tasks(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            ended.set()

    tasks.start("dev", work())
    await asyncio.sleep(0)
    gc.collect()
    assert "dev" in tasks
    assert not ended.is_set()
    tasks.cancel()
    async with asyncio.timeout(10):
        await ended.wait()
