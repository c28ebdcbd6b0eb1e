# SPDX-License-Identifier: GPL-3.0-or-later
"""Start an operation, show what it says, and let Ctrl-C cancel it."""

from collections.abc import Callable

from kapsule.cli import output
from kapsule.cli.interrupts import Interrupts
from kapsule.cli.progress import Display
from kapsule.client.bus import Bus
from kapsule.client.operation import Operation
from kapsule.errors import Cancelled


def follow(bus: Bus, start: Callable[[], str], *, title: str, done: str) -> None:
    """Carry out an operation under a headline, and print `done` when it has succeeded.

    start: makes the call and returns the operation's path.
    The first Ctrl-C cancels it and waits until what it began is undone; a second one leaves it to
    the daemon. Either raises KeyboardInterrupt. A failure raises the operation's KapsuleError.
    """
    output.section(title)
    with Interrupts() as interrupts, Display() as display:
        running: list[Operation] = []

        def on_interrupt() -> None:
            if not interrupts.count:
                output.say("Cancelling, and undoing what was begun...", output.YELLOW)
                for operation in running:
                    operation.cancel()
            if interrupts.take() > 1:
                raise KeyboardInterrupt

        bus.watch(interrupts.descriptor, on_interrupt)
        try:
            running.append(Operation(bus, start))
            if interrupts.count:  # it came before there was anything to cancel
                running[0].cancel()
            for event in running[0]:
                display.show(event)
        except Cancelled as cancelled:
            if not interrupts.count:
                raise
            output.say(cancelled.message, output.YELLOW)
            raise KeyboardInterrupt from cancelled
        finally:
            bus.unwatch(interrupts.descriptor)
    output.success(done)
