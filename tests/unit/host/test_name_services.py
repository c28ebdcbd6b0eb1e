# SPDX-License-Identifier: GPL-3.0-or-later
import asyncio
import threading

import pytest

from kapsule.errors import Busy, NotFound
from kapsule.host import name_services
from kapsule.host.name_services import ask
from kapsule.host.users import look_up, name_of

NOBODY_HAS_IT = 3_999_999_999


async def test_one_slow_answer_holds_up_nobody_else() -> None:
    """However often one account is asked for, there is one thread; others have their own."""
    may_end, asked = threading.Event(), []

    def slow() -> int:
        asked.append(threading.current_thread())
        may_end.wait()
        return 1

    waiting = [asyncio.create_task(ask("slow", slow)) for _ in range(200)]
    assert (
        await asyncio.gather(*(ask(("quick", each), lambda: 2) for each in range(50))) == [2] * 50
    )
    assert not any(task.done() for task in waiting)
    may_end.set()
    assert await asyncio.gather(*waiting) == [1] * 200
    assert len(asked) == 1


async def test_who_stops_waiting_does_not_stop_the_others() -> None:
    """The answer still comes for them; the next question is asked anew."""
    may_end = threading.Event()

    def slow() -> int:
        may_end.wait()
        return 1

    first = asyncio.create_task(ask("same", slow))
    second = asyncio.create_task(ask("same", slow))
    await asyncio.sleep(0)
    first.cancel()
    may_end.set()
    assert await second == 1
    assert await ask("same", lambda: 2) == 2


async def test_errors_come_back() -> None:
    """And do not stay."""

    def fail() -> int:
        raise NotFound("none")

    for _ in range(2):
        with pytest.raises(NotFound):
            await ask("fails", fail)
    assert name_services._asked == {}


async def test_services_that_hang_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller gets an answer all the same."""
    monkeypatch.setattr(name_services, "_PATIENCE", 0.02)
    may_end = threading.Event()
    with pytest.raises(Busy, match="name services"):
        await ask("hangs", may_end.wait)
    may_end.set()


async def test_accounts_by_uid() -> None:
    """root is root; where there is no account there is no name."""
    assert (await look_up(0)).name == "root"
    assert await name_of(0) == "root"
    assert await name_of(NOBODY_HAS_IT) == ""
