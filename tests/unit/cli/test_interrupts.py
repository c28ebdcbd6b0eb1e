# SPDX-License-Identifier: GPL-3.0-or-later
"""Ctrl-C as a descriptor that becomes readable."""

import os
import select
import signal

import pytest

from kapsule.cli.interrupts import Interrupts


def _is_readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], 0)[0])


def test_an_interrupt_is_counted_and_raises_nothing() -> None:
    """Inside the block only; behind it Ctrl-C raises as ever."""
    with Interrupts() as interrupts:
        assert not _is_readable(interrupts.descriptor)
        os.kill(os.getpid(), signal.SIGINT)
        assert _is_readable(interrupts.descriptor)
        assert interrupts.take() == 1
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.take() == 3
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_that_is_ignored_stays_so() -> None:
    """A job in the background is not stopped by the Ctrl-C for another one."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGINT)
            assert not _is_readable(interrupts.descriptor)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
