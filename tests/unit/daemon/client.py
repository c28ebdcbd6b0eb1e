# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of the daemon as D-Bus libraries are: nothing in it knows the daemon."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from dbus_fast import BusType, DBusError, Message, MessageFlag, MessageType, Variant
from dbus_fast.aio import MessageBus
from dbus_fast.unpack import unpack_variants

from kapsule import names

PROPERTIES = "org.freedesktop.DBus.Properties"


class Client:
    """One connection to the bus. signals: all that arrived but the bus's own, in order."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._bus = MessageBus(address, BusType.SYSTEM, negotiate_unix_fd=True)
        self.signals: list[Message] = []
        self._arrived = asyncio.Condition()
        self._notes: set[asyncio.Task[None]] = set()

    async def connect(self) -> None:
        """Come to the bus."""
        await self._bus.connect()
        self._bus.add_message_handler(self._take)

    async def disconnect(self) -> None:
        """Leave the bus."""
        self._bus.disconnect()
        await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    async def wait_for_loss(self) -> None:
        """Wait until the bus has gone."""
        with contextlib.suppress(EOFError, OSError):
            await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    @property
    def unique_name(self) -> str:
        """Its name on the bus."""
        return str(self._bus.unique_name)

    async def send(
        self,
        member: str,
        signature: str = "",
        *body: Any,
        path: str = names.MANAGER_PATH,
        interface: str | None = names.MANAGER_INTERFACE,
        destination: str = names.BUS_NAME,
        unix_fds: tuple[int, ...] = (),
        flags: MessageFlag = MessageFlag.NONE,
    ) -> Message | None:
        """Make a call and return the whole reply; None for a call that wants none."""
        message = Message(
            destination,
            path,
            interface,
            member,
            flags=flags,
            signature=signature,
            body=list(body),
            unix_fds=list(unix_fds),
        )
        if flags & MessageFlag.NO_REPLY_EXPECTED:
            await self._bus.send(message)
            return None
        reply = await self._bus.call(message)
        assert reply is not None
        return reply

    async def send_message(self, message: Message) -> None:
        """Send a message as it is."""
        await self._bus.send(message)

    async def call(self, member: str, signature: str = "", *body: Any, **to: Any) -> Any:
        """Make a call and return the first result. Raises DBusError."""
        reply = await self.send(member, signature, *body, **to)
        assert reply is not None
        if reply.message_type is MessageType.ERROR:
            raise DBusError(reply.error_name or "", str(reply.body[0]) if reply.body else "")
        return reply.body[0] if reply.body else None

    async def get(self, path: str, name: str) -> Any:
        """Return a property of an operation, by Properties.Get."""
        to = {"path": path, "interface": PROPERTIES}
        return (await self.call("Get", "ss", names.OPERATION_INTERFACE, name, **to)).value

    async def get_all(self, path: str) -> dict[str, str]:
        """Return all properties of an operation, by Properties.GetAll."""
        to = {"path": path, "interface": PROPERTIES}
        values: dict[str, str] = unpack_variants(
            await self.call("GetAll", "s", names.OPERATION_INTERFACE, **to)
        )
        return values

    async def add_match(self, rule: str) -> None:
        """Have the bus send what matches."""
        await self.call(
            "AddMatch",
            "s",
            rule,
            path="/org/freedesktop/DBus",
            interface="org.freedesktop.DBus",
            destination="org.freedesktop.DBus",
        )

    async def wait_for(self, member: str, path: str | None = None, *, after: int = 0) -> Message:
        """Return the first signal of that name, from that object, that is or will be there.

        after: how many signals to pass over.
        """

        def found() -> list[Message]:
            fitting = (each for each in self.signals[after:] if each.member == member)
            return [each for each in fitting if path in (None, each.path)]

        await self.wait_until(lambda: bool(found()))
        return found()[0]

    async def wait_until(self, is_so: Callable[[], bool]) -> None:
        """Wait until the signals that arrived make something true."""
        async with asyncio.timeout(20), self._arrived:
            await self._arrived.wait_for(is_so)

    def bodies(self, member: str) -> list[list[Any]]:
        """Return the arguments of all signals of that name."""
        return [each.body for each in self.signals if each.member == member]

    def _take(self, message: Message) -> None:
        if message.message_type is MessageType.SIGNAL and message.sender != "org.freedesktop.DBus":
            self.signals.append(message)
            task = asyncio.create_task(self._tell())
            self._notes.add(task)
            task.add_done_callback(self._notes.discard)

    async def _tell(self) -> None:
        async with self._arrived:
            self._arrived.notify_all()


def text(value: str) -> Variant:
    """Return a variant with a text."""
    return Variant("s", value)
