# SPDX-License-Identifier: GPL-3.0-or-later
"""Start one of the daemon's operations and follow it to its end."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from kapsule import names
from kapsule.client.bus import Bus
from kapsule.client.connection import Signal
from kapsule.errors import Cancelled, KapsuleError, from_dbus

# The kinds of Message, as numbered on the bus.
INFO, SUCCESS, WARNING, ERROR, DIM, HINT = range(6)

_PROPERTIES = "org.freedesktop.DBus.Properties"
_RUNNING = "running"
_COMPLETED = "completed"
_CANCELLED = "cancelled"


class Message(NamedTuple):
    """One line of text. kind: INFO to HINT. indent: levels of two spaces."""

    kind: int
    text: str
    indent: int


class ProgressStarted(NamedTuple):
    """A progress bar begins. total: what 100 % is, or -1 where nobody knows."""

    id: str
    description: str
    total: int
    indent: int


class ProgressUpdate(NamedTuple):
    """A progress bar moves. rate: units a second, 0 when unknown."""

    id: str
    current: int
    rate: float


class ProgressText(NamedTuple):
    """A progress bar without a total says what is going on."""

    id: str
    text: str


class ProgressCompleted(NamedTuple):
    """A progress bar ends. message: what is left of it to read, or ""."""

    id: str
    success: bool
    message: str


Event = Message | ProgressStarted | ProgressUpdate | ProgressText | ProgressCompleted

_EVENTS: dict[str, Callable[..., Event]] = {
    "Message": Message,
    "ProgressStarted": ProgressStarted,
    "ProgressUpdate": ProgressUpdate,
    "ProgressTextUpdate": ProgressText,
    "ProgressCompleted": ProgressCompleted,
}


def to_event(signal: Signal) -> Event | None:
    """Return what a signal says, or None for a signal that only newer versions know."""
    make = _EVENTS.get(signal.member)
    try:
        return make(*signal.body) if make else None
    except TypeError:
        return None


class Operation:
    """One operation: iterate over it to get its events.

    The iteration ends when the operation has succeeded. It raises Cancelled, or a KapsuleError
    with the message and the hint of what went wrong, and never waits for a daemon that is gone.
    """

    def __init__(self, bus: Bus, start: Callable[[], str]) -> None:
        """Subscribe, so that no signal can be missed, and start.

        start: makes the call and returns the operation's path.
        """
        self._bus = bus
        bus.subscribe()
        self.path = start()

    def cancel(self) -> None:
        """Ask to cancel it. What it had begun is undone before it ends."""
        self._bus.cancel(self.path)

    def __iter__(self) -> Iterator[Event]:
        state = self._properties()
        while state.get("Status") == _RUNNING or self._bus.has_signals:
            signal = self._bus.next_signal()
            if signal.path != self.path:
                continue
            if signal.member == "Completed":
                success, text = signal.body
                return self._finish(success, text)
            event = to_event(signal)
            if event is not None:
                yield event
        return self._finish(state.get("Status") == _COMPLETED, state.get("ErrorMessage", ""))

    def _finish(self, success: bool, text: str) -> None:
        """Raise what an operation that did not succeed stands for."""
        if success:
            return
        state = self._properties()
        if state.get("Status") == _CANCELLED:
            raise Cancelled(text or "The operation was cancelled")
        if not text:
            raise KapsuleError(
                "kapsule-daemon does not say how the operation ended",
                hint="See `journalctl -u kapsule-daemon`",
            )
        raise from_dbus("", text)

    def _properties(self) -> dict[str, str]:
        """Read the operation's state, {} when it is no longer there.

        It also tells the daemon that somebody listens.
        """
        body = (names.OPERATION_INTERFACE,)
        found = self._bus.call_operation(self.path, _PROPERTIES, "GetAll", "s", body)
        return {key: value for key, (_, value) in found[0].items()} if found else {}
