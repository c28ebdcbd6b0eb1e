# SPDX-License-Identifier: GPL-3.0-or-later
import asyncio
import gc
import itertools

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


async def test_asked_for_while_it_fails(caplog: pytest.LogCaptureFixture) -> None:
    """What is asked for while the same is under way is done once more, also after a failure."""
    tasks, gate, begun = Tasks(), asyncio.Event(), asyncio.Queue[int]()
    rounds = itertools.count(1)

    async def work() -> None:
        begun.put_nowait(number := next(rounds))
        if number == 1:
            await gate.wait()
            raise GuestError("hangs")

    async with asyncio.timeout(10):
        tasks.request("dev", work)
        assert await begun.get() == 1
        tasks.request("dev", work)
        tasks.request("dev", work)
        gate.set()
        assert await begun.get() == 2
    assert "dev" not in tasks
    assert begun.empty()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
