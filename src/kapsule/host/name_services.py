# SPDX-License-Identifier: GPL-3.0-or-later
"""Questions to the name services, which may ask a server that is slow or away: nsswitch.conf(5)."""

import asyncio
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

from kapsule.errors import Busy

T = TypeVar("T")

_PATIENCE = 60.0  # seconds
# The event loop adds to it, and the threads remove: what it looks up can be gone at any moment.
_asked: dict[Hashable, Future[Any]] = {}


async def ask(what: Hashable, question: Callable[[], T]) -> T:
    """Return what question() returns. It runs in a thread of its own.

    what: identifies the question. While one is being asked, whoever asks the same waits for the
    same answer. So there is one thread for each account that is asked for, however often it is:
    slow answers for one user hold up nobody else, and no user can use up the threads.
    Raises what question() raises, and Busy when there is no answer within a minute.
    """
    answer = asyncio.wrap_future(_answer(what, question))
    done, _ = await asyncio.wait({answer}, timeout=_PATIENCE)
    if not done:
        raise Busy("The name services of this machine do not answer", hint="Try again later")
    return answer.result()


def _answer(what: Hashable, question: Callable[[], T]) -> Future[T]:
    asked = _asked.get(what)
    if asked is not None:
        return asked
    outcome: Future[T] = Future()
    outcome.set_running_or_notify_cancel()  # so nobody who stops waiting can cancel it
    _asked[what] = outcome

    def run() -> None:
        try:
            found = question()
        except BaseException as error:
            del _asked[what]
            outcome.set_exception(error)
        else:
            del _asked[what]
            outcome.set_result(found)

    # A daemon thread: one that hangs must not keep the process from ending.
    try:
        threading.Thread(target=run, daemon=True).start()
    except RuntimeError as error:
        del _asked[what]
        raise Busy("No more threads are to be had", hint="Try again later") from error
    return outcome
