# SPDX-License-Identifier: GPL-3.0-or-later
"""How many questions of one user are asked at a time."""

import asyncio

from kapsule.daemon.lanes import Lanes


async def test_four_of_a_user_at_a_time() -> None:
    """The fifth waits until one has its answer; another user's does not wait."""
    lanes = Lanes()
    answer = asyncio.Event()
    asked: list[int] = []

    async def ask(uid: int) -> None:
        async with lanes.of(uid):
            asked.append(uid)
            await answer.wait()

    async with asyncio.TaskGroup() as group:
        for uid in (1, 1, 1, 1, 1, 2):
            group.create_task(ask(uid))
        await asyncio.sleep(0)
        assert asked == [1, 1, 1, 1, 2]
        answer.set()
    assert asked == [1, 1, 1, 1, 2, 1]
    assert lanes._lanes == {}
