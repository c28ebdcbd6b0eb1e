# SPDX-License-Identifier: GPL-3.0-or-later
"""A daemon that says what it is told to say: for clients, and for failures of a real one."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from kapsule import names

_FIRST_OPERATION = names.OPERATIONS_PATH + "/1"


class Said(NamedTuple):
    """One signal of an operation."""

    member: str
    signature: str
    body: list[Any]


class Script(NamedTuple):
    """How an operation goes.

    signals: what it says, in order. status, error: its properties at the end.
    before_reply: it is over before the caller has its path. waits: it ends only when cancelled.
    silent: it says no Completed. gone: its object is unknown. dies: the daemon ends instead of it.
    """

    signals: Sequence[Said] = ()
    status: str = "completed"
    error: str = ""
    before_reply: bool = False
    waits: bool = False
    silent: bool = False
    gone: bool = False
    dies: bool = False


# An answer of True means that the reply was sent already.
Answer = Callable[[Message], Message | bool]


class FakeDaemon:
    """Owns the daemon's name on a bus, in a thread of its own, as a `with` block.

    calls: every method call so far, (member, arguments).
    """

    def __init__(self, address: str) -> None:
        self.calls: list[tuple[str, list[Any]]] = []
        self._address = address
        self._answers: dict[str, Answer] = {"GetAll": self._properties, "Cancel": self._cancel}
        self._script = Script()
        self._status = ""
        self._cancelled = asyncio.Event()
        self._left = asyncio.Event()
        self._ready = threading.Event()
        self._called = threading.Condition()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> "FakeDaemon":
        self._thread.start()
        assert self._ready.wait(30), "the bus does not answer"
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_for(self, member: str) -> None:
        """Wait until a method was called."""
        with self._called:
            self._called.wait_for(lambda: any(member == called for called, _ in self.calls))

    def stop(self) -> None:
        """Leave the bus, as a daemon that dies does."""
        with contextlib.suppress(RuntimeError):  # it left by itself, and its loop is closed
            self._loop.call_soon_threadsafe(self.leave)
        self._thread.join()

    def leave(self) -> None:
        """Leave the bus; for answers, which run in the daemon's thread."""
        self._bus.disconnect()
        self._left.set()

    def answer(self, member: str, answer: Answer) -> None:
        """Answer calls of a method with what this function makes of them."""
        self._answers[member] = answer

    def reply(self, member: str, signature: str, *body: Any) -> None:
        """Answer calls of a method with these values."""
        self.answer(member, lambda call: Message.new_method_return(call, signature, list(body)))

    def fail(self, member: str, name: str, text: str) -> None:
        """Answer calls of a method with a D-Bus error."""
        self.answer(member, lambda call: Message.new_error(call, name, text))

    def run(self, member: str, script: Script) -> None:
        """Let a method start an operation that goes like this."""
        self.answer(member, lambda call: self._start(call, script))

    def send_signal(self, call: Message, path: str, said: Said) -> None:
        """Send a signal of an operation to a caller only."""
        signal = Message(
            destination=call.sender,
            path=path,
            interface=names.OPERATION_INTERFACE,
            member=said.member,
            message_type=MessageType.SIGNAL,
            signature=said.signature,
            body=said.body,
        )
        self._bus.send(signal)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._bus = await MessageBus(self._address, negotiate_unix_fd=True).connect()
        self._bus.add_message_handler(self._handle)
        await self._bus.request_name(names.BUS_NAME)
        self._ready.set()
        await self._left.wait()

    def _handle(self, message: Message) -> Message | bool | None:
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        with self._called:
            self.calls.append((message.member or "", message.body))
            self._called.notify_all()
        answer = self._answers.get(message.member or "")
        return answer(message) if answer else None

    def _start(self, call: Message, script: Script) -> Message | bool:
        self._script = script
        self._status = "running"
        self._cancelled.clear()
        reply = Message.new_method_return(call, "o", [_FIRST_OPERATION])
        if script.before_reply:
            self._say(call, script.signals)
            self._end(call)
            return reply
        self._bus.send(reply)
        task = self._loop.create_task(self._go(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _go(self, call: Message) -> None:
        self._say(call, self._script.signals)
        if self._script.dies:
            self.leave()
        elif self._script.waits:
            await self._cancelled.wait()
            self._say(call, [Said("Message", "isi", [4, "undone", 1])])
        if not self._script.dies:
            self._end(call)

    def _say(self, call: Message, signals: Sequence[Said]) -> None:
        for said in signals:
            self.send_signal(call, _FIRST_OPERATION, said)

    def _end(self, call: Message) -> None:
        self._status = self._script.status
        if not self._script.silent:
            success = self._script.status == "completed"
            self._say(call, [Said("Completed", "bs", [success, self._script.error])])

    def _cancel(self, call: Message) -> Message:
        self._cancelled.set()
        return Message.new_method_return(call, "b", [True])

    def _properties(self, call: Message) -> Message:
        if self._script.gone or not self._status:
            return Message.new_error(call, "org.freedesktop.DBus.Error.UnknownObject", "no such")
        values = {"Status": self._status}
        if self._status != "running":
            values["ErrorMessage"] = self._script.error
        body = {key: Variant("s", value) for key, value in values.items()}
        return Message.new_method_return(call, "a{sv}", [body])
