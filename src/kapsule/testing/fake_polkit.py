# SPDX-License-Identifier: GPL-3.0-or-later
"""A polkit that says what it is told to say: for failures that the real one cannot be made to give.

What the real one decides is tested in the box.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from dbus_fast import BusType, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

NAME = "org.freedesktop.PolicyKit1"


class Check(NamedTuple):
    """One question: whether the connection may do it, and what came with that."""

    sender: str
    action: str
    details: dict[str, str]
    interactive: bool
    cancellation: str


def verdict(
    call: Message, *, yes: bool = False, challenge: bool = False, **details: str
) -> Message:
    """Return an answer as the real one gives it."""
    body = [[yes, challenge, {f"polkit.{key}": value for key, value in details.items()}]]
    return Message.new_method_return(call, "(bba{ss})", body)


class FakePolkit:
    """Owns polkit's name on a bus, as an `async with` block.

    answer: makes the reply to a question, or None to leave it open. checks: all questions so far.
    cancelled: the ids of those that were taken back. changed: set at each of both.
    """

    def __init__(self, address: str, answer: Callable[[Message], Message | None]) -> None:
        self.answer = answer
        self.checks: list[Check] = []
        self.cancelled: list[str] = []
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._bus = MessageBus(address, BusType.SYSTEM)

    async def __aenter__(self) -> "FakePolkit":
        await self._bus.connect()
        self._bus.add_message_handler(self._take)
        await self._bus.request_name(NAME)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._bus.disconnect()
        await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    async def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Wait until what it was asked makes something true."""
        async with asyncio.timeout(20), self._changed:
            await self._changed.wait_for(is_so)

    def _take(self, message: Message) -> Message | bool | None:
        if message.message_type is not MessageType.METHOD_CALL:
            return None
        if message.member == "CancelCheckAuthorization":
            self.cancelled.append(message.body[0])
            self._tell()
            return True
        if message.member != "CheckAuthorization":
            return None
        (_, subject), action, details, flags, cancellation = message.body
        name: Variant = subject["name"]
        self.checks.append(Check(name.value, action, details, bool(flags & 1), cancellation))
        self._tell()
        return self.answer(message) or True

    def _tell(self) -> None:
        task = asyncio.create_task(self._notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
