# SPDX-License-Identifier: GPL-3.0-or-later
"""What one sees and can do while the daemon makes a container ready to be entered.

`kapsule enter` imports this with the first thing that the daemon says; mostly it says nothing.
"""

from kapsule.cli import output
from kapsule.cli.interrupts import Interrupts
from kapsule.cli.progress import Display
from kapsule.client.bus import Bus
from kapsule.client.connection import Signal
from kapsule.client.operation import to_event
from kapsule.errors import Cancelled
from kapsule.names import OPERATION_INTERFACE


class Waiting:
    """Shows an operation that somebody else started, as a `with` block; Ctrl-C cancels it.

    What ends the block because of a Ctrl-C, goes on as KeyboardInterrupt.
    bus: the connection that waits. path: the operation.
    """

    def __init__(self, bus: Bus, path: str) -> None:
        self._bus = bus
        self._path = path
        self._display = Display()
        self._interrupts = Interrupts()

    def __enter__(self) -> "Waiting":
        self._display.__enter__()
        self._interrupts.__enter__()
        self._bus.watch(self._interrupts.descriptor, self._cancel)
        return self

    def __exit__(self, *details: object) -> None:
        self._bus.unwatch(self._interrupts.descriptor)
        self._interrupts.__exit__(*details)
        self._display.__exit__(*details)
        if self._interrupts.count and isinstance(details[1], Cancelled):
            output.say(details[1].message, output.YELLOW)
            raise KeyboardInterrupt from details[1]

    def show(self, signal: Signal) -> None:
        """Show what a signal of the operation says."""
        event = to_event(signal)
        if event is not None:
            self._display.show(event)

    def _cancel(self) -> None:
        if not self._interrupts.count:
            output.say("Cancelling, and undoing what was begun...", output.YELLOW)
            self._bus.tell_operation(self._path, OPERATION_INTERFACE, "Cancel")
        if self._interrupts.take() > 1:
            raise KeyboardInterrupt
