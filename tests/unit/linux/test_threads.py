# SPDX-License-Identifier: GPL-3.0-or-later
import errno
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from kapsule.linux.threads import Threads


def test_outcomes() -> None:
    """What the work returns and what it raises come back, from a thread of its own."""
    threads = Threads(1)
    assert threads.start("a", threading.current_thread).result() != threading.current_thread()
    with pytest.raises(ZeroDivisionError):
        threads.start("a", lambda: 1 // 0).result()


def test_few_for_each_key() -> None:
    """A key that has all its threads gets no more until one ends; another key has its own."""
    threads, gate = Threads(2), threading.Event()
    try:
        hanging: list[Future[bool]] = [threads.start("a", gate.wait) for _ in range(2)]
        with pytest.raises(OSError, match="hang") as caught:
            threads.start("a", gate.wait)
        assert caught.value.errno == errno.EAGAIN
        assert threads.start("b", lambda: 7).result() == 7
    finally:
        gate.set()
    assert [each.result() for each in hanging] == [True, True]
    assert threads.start("a", lambda: 7).result() == 7


@pytest.fixture
def _no_threads() -> Iterator[None]:
    """Have every thread ask for more memory than there can be, so that none can be had."""
    before = threading.stack_size(1 << 46)
    yield
    threading.stack_size(before)


@pytest.mark.usefixtures("_no_threads")
def test_without_threads() -> None:
    """A thread that cannot be had is an error, and does not count as one that hangs."""
    threads = Threads(1)
    for _ in range(3):
        with pytest.raises(OSError, match="temporarily unavailable"):
            threads.start("a", lambda: 7)
    threading.stack_size(0)
    assert threads.start("a", lambda: 7).result() == 7
