# SPDX-License-Identifier: GPL-3.0-or-later
"""All operations: when each is on the bus, and when what is said about it.

Existing clients get the path of an operation in a reply, read its Status, and only then listen for
its Completed. Nothing else ends their wait, so nothing must be over before they listen:

- the body waits until its caller has looked at the properties, or for `hold` seconds;
- for `settle` seconds after the caller was told "running", what there is to say is held back;
- Completed is sent three times, and the properties can be read long after the object is gone.

A caller that reads the properties with GetAll says that it listens already, and does not have to
wait: signals of an operation go to its creator without any match rule.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dbus_fast import Message, MessageType, Variant

from kapsule import names
from kapsule.daemon.bus import Bus, current_call
from kapsule.daemon.callers import Caller, Callers
from kapsule.daemon.dbus_errors import to_kapsule_error
from kapsule.daemon.guard import Guard, Properties
from kapsule.daemon.operation import Operation
from kapsule.errors import Busy, KapsuleError
from kapsule.pipeline.progress import Progress

T = TypeVar("T")
Body = Callable[[Progress], Awaitable[T]]

_ROOT = 0
_LONGEST_MEMORY = 256  # operations of one user that have left the bus
_PROPERTIES = "org.freedesktop.DBus.Properties"


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds, fixed by what existing clients expect; hold and settle are explained above.

    repeat: from the end to the second Completed. linger: from the end to the third, with which
    the object leaves the bus. remember: how long its properties can be read after that.
    """

    hold: float = 0.25
    settle: float = 0.15
    repeat: float = 1.0
    linger: float = 6.0
    remember: float = 60.0


@dataclass(slots=True)
class _Entry:
    """An operation on the bus. listens_at: when, in loop time, its creator hears its signals."""

    operation: Operation
    looked_at: asyncio.Event = field(default_factory=asyncio.Event)
    listens_at: float = 0.0

    def is_for(self, uid: int) -> bool:
        """Whether the user with this uid may know of it."""
        return uid in (_ROOT, self.operation.creator.user.uid)

    @property
    def deaf_for(self) -> float:
        """Seconds until its creator hears its signals."""
        return max(0.0, self.listens_at - asyncio.get_running_loop().time())


class Operations:
    """Starts operations and sees them to their end. limit: how many of one user may run."""

    def __init__(
        self, bus: Bus, callers: Callers, *, timing: Timing | None = None, limit: int = 64
    ) -> None:
        self._bus = bus
        self._callers = callers
        self._timing = timing or Timing()
        self._limit = limit
        # Ids begin with the time, so that a restarted daemon does not give them out again.
        self._ids = itertools.count(time.time_ns() // 1_000_000)
        self._running: set[Operation] = set()
        self._on_bus: dict[str, _Entry] = {}
        self._remembered: dict[str, tuple[Caller, dict[str, str]]] = {}
        self._ends: set[asyncio.Task[None]] = set()
        self._afterlives: set[asyncio.Task[None]] = set()
        self._is_closing = False
        self._guard = Guard(bus, callers, self._creator, self._visible)
        bus.add_message_handler(self._watch)

    def running(self, uid: int) -> list[str]:
        """Return the paths of those of a user that run and are on the bus; for root all."""
        return [
            path
            for path, each in self._on_bus.items()
            if each.is_for(uid) and each.operation.is_running
        ]

    def start(
        self, kind: str, target: str, description: str, caller: Caller, body: Body[None]
    ) -> str:
        """Begin an operation and return its path, which is on the bus from now on.

        body: the work. A KapsuleError that it raises is how the operation ends.
        Raises Busy when too many of the caller's run.
        """
        operation = self._new(kind, target, description, caller)
        entry = self._put_on_bus(operation)
        operation.task = asyncio.create_task(self._work(entry, body))
        _keep(self._ends, self._see_to_its_end(entry, operation.task))
        return operation.path

    async def attend(
        self, kind: str, target: str, description: str, caller: Caller, body: Body[T]
    ) -> T:
        """Do work that the caller waits for, and return its result.

        It is on the bus only once the body has something to say. A caller that leaves cancels it.
        Raises what the body raises, Cancelled, and Busy when too many of the caller's run.
        """
        operation = self._new(kind, target, description, caller)
        operation.on_first_word = lambda: self._begin_to_speak(operation)
        work = operation.task = asyncio.ensure_future(body(operation))
        with self._callers.when_gone(caller.sender, operation.cancel):
            await asyncio.wait([work])
        error = self._settle(operation, work)
        if operation.path in self._on_bus:
            operation.announce_end()
            _keep(self._afterlives, self._leave(operation))
        if error:
            raise error
        return work.result()

    async def close(self) -> None:
        """Cancel everything that runs, and wait until it is undone and its callers are told."""
        self._is_closing = True
        running = [each.task for each in self._running if each.task]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, *self._ends, return_exceptions=True)
        for afterlife in self._afterlives:
            afterlife.cancel()

    def _new(self, kind: str, target: str, description: str, caller: Caller) -> Operation:
        if self._is_closing:
            raise Busy("The daemon is about to end", hint="Try again in a moment")
        own = sum(each.creator.user.uid == caller.user.uid for each in self._running)
        if own >= self._limit:
            raise Busy(
                f"User '{caller.user.name}' has {own} operations running already",
                hint="Wait for one of them to end",
            )
        operation = Operation(kind, target, description, caller, self._ids)
        self._running.add(operation)
        return operation

    def _put_on_bus(self, operation: Operation) -> _Entry:
        self._bus.address_signals(operation.path, operation.creator.sender)
        self._bus.export(operation.path, operation)
        entry = self._on_bus[operation.path] = _Entry(operation)
        return entry

    def _begin_to_speak(self, operation: Operation) -> None:
        self._put_on_bus(operation)
        operation.speak()

    async def _work(self, entry: _Entry, body: Body[None]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timing.hold):
                await entry.looked_at.wait()
        asyncio.get_running_loop().call_later(entry.deaf_for, entry.operation.speak)
        await body(entry.operation)

    async def _see_to_its_end(self, entry: _Entry, work: "asyncio.Task[None]") -> None:
        await asyncio.wait([work])
        self._settle(entry.operation, work)
        await asyncio.sleep(entry.deaf_for)
        entry.operation.speak()
        entry.operation.announce_end()
        _keep(self._afterlives, self._leave(entry.operation))

    def _settle(self, operation: Operation, work: "asyncio.Future[Any]") -> KapsuleError | None:
        """Note how the work ended; return the error, if that was one."""
        self._running.discard(operation)
        operation.task = None  # with its error, it would keep what the caller has sent
        error = _error_of(work)
        operation.settle(error)
        return error

    async def _leave(self, operation: Operation) -> None:
        """Take an ended operation off the bus, in a time that suits existing clients."""
        timing, path = self._timing, operation.path
        await asyncio.sleep(timing.repeat)
        operation.repeat_end()
        await asyncio.sleep(timing.linger - timing.repeat)
        operation.repeat_end()
        self._remember(operation)
        self._bus.unexport(path, operation)
        self._bus.forget_address(path)
        del self._on_bus[path]
        await asyncio.sleep(timing.remember)
        self._remembered.pop(path, None)

    def _remember(self, operation: Operation) -> None:
        """Remember an operation, and no longer the oldest of somebody who has very many."""
        uid = operation.creator.user.uid
        own = [path for path, (whose, _) in self._remembered.items() if whose.user.uid == uid]
        if len(own) >= _LONGEST_MEMORY:
            del self._remembered[own[0]]
        self._remembered[operation.path] = (operation.creator, operation.properties())

    def _watch(self, message: Message) -> Message | None:
        """Note who looks at an operation, and answer for those that have left the bus."""
        is_call = message.message_type is MessageType.METHOD_CALL
        if not is_call or message.interface != _PROPERTIES or not message.path:
            return None
        if entry := self._on_bus.get(message.path):
            self._note_look(entry, message)
        _, properties = self._remembered.get(message.path, (None, None))
        return _answer(message, properties) if properties and current_call().wants_reply else None

    def _creator(self, path: str) -> Caller | None:
        if entry := self._on_bus.get(path):
            return entry.operation.creator
        return self._remembered.get(path, (None, None))[0]

    def _visible(self, uid: int) -> Properties:
        return {
            path: each.operation.properties()
            for path, each in self._on_bus.items()
            if each.is_for(uid)
        }

    def _note_look(self, entry: _Entry, message: Message) -> None:
        if message.sender != entry.operation.creator.sender:
            return
        if message.member == "Get" and entry.operation.is_running:
            entry.listens_at = asyncio.get_running_loop().time() + self._timing.settle
        entry.looked_at.set()


def _error_of(work: "asyncio.Future[Any]") -> KapsuleError | None:
    if work.cancelled():
        return to_kapsule_error(asyncio.CancelledError())
    error = work.exception()
    return to_kapsule_error(error) if error else None


def _answer(message: Message, properties: dict[str, str]) -> Message | None:
    """Answer Properties.Get and GetAll; return None for what dbus-fast shall refuse."""
    values = {name: Variant("s", value) for name, value in properties.items()}
    match message.member, message.body:
        case "GetAll", [names.OPERATION_INTERFACE]:
            return Message.new_method_return(message, "a{sv}", [values])
        case "Get", [names.OPERATION_INTERFACE, str(name)] if name in values:
            return Message.new_method_return(message, "v", [values[name]])
    return None


def _keep(tasks: set["asyncio.Task[None]"], work: Coroutine[Any, Any, None]) -> None:
    """Run work as a task that cannot be collected while it runs."""
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
