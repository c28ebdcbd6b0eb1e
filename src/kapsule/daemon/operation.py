# SPDX-License-Identifier: GPL-3.0-or-later
"""One piece of work as an object on the bus."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, ClassVar

from dbus_fast import PropertyAccess
from dbus_fast.annotations import DBusBool, DBusSignature, DBusStr
from dbus_fast.service import dbus_method, dbus_property, dbus_signal

from kapsule import names
from kapsule.daemon.callers import Caller
from kapsule.daemon.dbus_errors import answers, error_text, wire_text
from kapsule.daemon.interface import NamedInterface
from kapsule.errors import Cancelled, KapsuleError
from kapsule.pipeline.progress import Bar, MessageKind

RUNNING, COMPLETED, FAILED, CANCELLED = "running", "completed", "failed", "cancelled"

TRANSITIONS: Mapping[str, frozenset[str]] = {
    RUNNING: frozenset({COMPLETED, FAILED, CANCELLED}),
    COMPLETED: frozenset(),
    FAILED: frozenset(),
    CANCELLED: frozenset(),
}

_LARGEST = 2**31 - 1  # of the bus interface's numbers; bytes are counted in larger units beyond

_LONGEST = 256  # characters of what a caller calls a container, which may be no name at all

_CHANGING = ("Status", "ErrorMessage", "ErrorName")
_PROPERTIES = ("Id", "Type", "Description", "Target", *_CHANGING)


class Operation(NamedInterface):
    """A running or ended operation, and the progress that its body reports (pipeline.progress).

    kind, target, description: the properties. creator: whose it is; guard.py keeps everybody but
    them and root away. ids: where its own id and those of its progress bars come from.

    What it reports is held back until speak(). on_first_word, if set, is called when there is
    something to say for the first time.
    """

    results: ClassVar[Mapping[str, tuple[str, ...]]] = {"Cancel": ("cancelled",)}

    def __init__(
        self,
        kind: str,
        target: str,
        description: str,
        creator: Caller,
        ids: Iterator[int],
    ) -> None:
        super().__init__(names.OPERATION_INTERFACE)
        self.kind = kind
        self.creator = creator
        self.task: asyncio.Task[object] | None = None
        self.on_first_word: Callable[[], None] | None = None
        self._ids = ids
        self._id = str(next(ids))
        self._target = wire_text(target, _LONGEST)
        self._description = wire_text(description, _LONGEST)
        self._status = RUNNING
        self._error = ""
        self._error_name = ""
        self._unsaid: list[Callable[[], object]] | None = []

    @property
    def path(self) -> str:
        """Where it is on the bus."""
        return f"{names.OPERATIONS_PATH}/{self._id}"

    @property
    def is_running(self) -> bool:
        """Whether its end is still open."""
        return self._status == RUNNING

    def properties(self) -> dict[str, str]:
        """Return all properties by name."""
        return {name: getattr(self, name) for name in _PROPERTIES}

    def cancel(self) -> bool:
        """Cancel the work, which then undoes itself; return False when there is none any more."""
        if not self.is_running or self.task is None:
            return False
        self.task.cancel()
        return True

    def settle(self, error: KapsuleError | None) -> None:
        """Note the end. error: why it did not succeed, or None."""
        status = _status_after(error)
        if status not in TRANSITIONS[self._status]:
            raise ValueError(f"an operation cannot go from {self._status} to {status}")
        self._status = status
        if error:
            self._error, self._error_name = error_text(error), error.dbus_name

    def speak(self) -> None:
        """Send what was held back, and hold nothing back from now on."""
        unsaid, self._unsaid = self._unsaid or [], None
        for say in unsaid:
            say()

    def announce_end(self) -> None:
        """Tell the end to those who watch the properties and to those who wait for Completed."""
        self.emit_properties_changed({name: getattr(self, name) for name in _CHANGING})
        self.repeat_end()

    def repeat_end(self) -> None:
        """Tell the end to those who wait for Completed."""
        self.Completed(self._status == COMPLETED, self._error)

    def message(self, text: str, kind: MessageKind = MessageKind.INFO, *, indent: int = 1) -> None:
        """Say one line."""
        self.say(lambda: self.Message(int(kind), wire_text(text), indent))

    @contextmanager
    def bar(self, description: str, *, total: int = -1, indent: int = 1) -> Iterator[Bar]:
        """Open a progress bar; it ends well unless the block raises."""
        number = str(next(self._ids))
        scale = max(1, -(-total // _LARGEST))
        title = wire_text(description)
        self.say(lambda: self.ProgressStarted(number, title, total // scale, indent))
        succeeded = False
        try:
            yield _OperationBar(self, number, scale)
            succeeded = True
        finally:
            self.say(lambda: self.ProgressCompleted(number, succeeded, ""))

    def say(self, signal: Callable[[], object]) -> None:
        """Send a signal now, or when speak() is called."""
        if self.on_first_word:
            first, self.on_first_word = self.on_first_word, None
            first()
        if self._unsaid is None:
            signal()
        else:
            self._unsaid.append(signal)

    @dbus_property(PropertyAccess.READ)
    def Id(self) -> DBusStr:
        """Its id: decimal digits."""
        return self._id

    @dbus_property(PropertyAccess.READ)
    def Type(self) -> DBusStr:
        """What is done: create, delete, start, ..."""
        return self.kind

    @dbus_property(PropertyAccess.READ)
    def Description(self) -> DBusStr:
        """What is done, in a sentence."""
        return self._description

    @dbus_property(PropertyAccess.READ)
    def Target(self) -> DBusStr:
        """What it is done to."""
        return self._target

    @dbus_property(PropertyAccess.READ)
    def Status(self) -> DBusStr:
        """running, completed, failed or cancelled."""
        return self._status

    @dbus_property(PropertyAccess.READ)
    def ErrorMessage(self) -> DBusStr:
        """Why it failed; empty while it runs and after success."""
        return self._error

    @dbus_property(PropertyAccess.READ)
    def ErrorName(self) -> DBusStr:
        """The D-Bus name of the error; empty while it runs and after success."""
        return self._error_name

    @dbus_method()
    @answers
    async def Cancel(self) -> DBusBool:
        """Cancel it, if it runs."""
        return self.cancel()

    @dbus_signal()
    def Message(
        self, type: int, text: str, indent: int
    ) -> Annotated[list[object], DBusSignature("isi")]:
        """One line of text. type: a MessageKind. indent: levels of two spaces."""
        return [type, text, indent]

    @dbus_signal()
    def ProgressStarted(
        self, id: str, description: str, total: int, indent: int
    ) -> Annotated[list[object], DBusSignature("ssii")]:
        """A progress bar begins. total: what is 100 %, or -1."""
        return [id, description, total, indent]

    @dbus_signal()
    def ProgressUpdate(
        self, id: str, current: int, rate: float
    ) -> Annotated[list[object], DBusSignature("sid")]:
        """A progress bar moves."""
        return [id, current, rate]

    @dbus_signal()
    def ProgressTextUpdate(
        self, id: str, text: str
    ) -> Annotated[list[object], DBusSignature("ss")]:
        """A progress bar says something."""
        return [id, text]

    @dbus_signal()
    def ProgressCompleted(
        self, id: str, success: bool, message: str
    ) -> Annotated[list[object], DBusSignature("sbs")]:
        """A progress bar ends."""
        return [id, success, message]

    @dbus_signal()
    def Completed(self, success: bool, error: str) -> Annotated[list[object], DBusSignature("bs")]:
        """The operation has ended. It is sent more than once."""
        return [success, error]


def _status_after(error: KapsuleError | None) -> str:
    if error is None:
        return COMPLETED
    return CANCELLED if isinstance(error, Cancelled) else FAILED


class _OperationBar:
    """One progress bar. scale: how many of its reporter's units are one on the bus."""

    def __init__(self, operation: Operation, number: str, scale: int) -> None:
        self._operation = operation
        self._number = number
        self._scale = scale

    def update(self, current: int, *, rate: float = 0.0) -> None:
        """Say how far it is."""
        current = min(current // self._scale, _LARGEST)
        self._operation.say(
            lambda: self._operation.ProgressUpdate(self._number, current, rate / self._scale)
        )

    def text(self, text: str) -> None:
        """Say in words what is going on."""
        text = wire_text(text)
        self._operation.say(lambda: self._operation.ProgressTextUpdate(self._number, text))
