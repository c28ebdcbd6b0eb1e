# SPDX-License-Identifier: GPL-3.0-or-later
"""Coming to the bus, and leaving it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from dbus_fast import DBusError, NameFlag, RequestNameReply
from dbus_fast.errors import DBusFastError

from kapsule.daemon.bus import Bus
from kapsule.errors import AlreadyExists, KapsuleError, NotAuthorized

_OURS = (RequestNameReply.PRIMARY_OWNER, RequestNameReply.ALREADY_OWNER)


@asynccontextmanager
async def on_bus(bus: Bus, name: str) -> AsyncIterator[None]:
    """Be connected and own a name within the block; at its end, send all that waits to be sent.

    Raises KapsuleError when there is no bus, AlreadyExists when somebody else owns the name, and
    NotAuthorized when the bus's policy is against it.
    """
    await _connect(bus)
    try:
        await _own(bus, name)
        yield
    finally:
        with suppress(Exception):  # what ended the connection was told by until_the_end()
            await _leave(bus, name)


async def _leave(bus: Bus, name: str) -> None:
    if bus.connected:
        await bus.release_name(name)  # its reply comes when everything before it was sent
    bus.disconnect()
    await bus.wait_for_end()


async def _connect(bus: Bus) -> None:
    try:
        await bus.connect()
    except (OSError, EOFError, DBusFastError) as error:
        raise KapsuleError(
            f"The system bus does not answer: {error}", hint="See: systemctl status dbus.service"
        ) from error


async def _own(bus: Bus, name: str) -> None:
    try:
        reply = await bus.request_name(name, NameFlag.DO_NOT_QUEUE)
    except DBusError as error:
        raise NotAuthorized(
            f"The bus does not let us be {name}: {error.text}",
            hint="The daemon runs as root, and its policy belongs to /usr/share/dbus-1/system.d",
        ) from error
    if reply not in _OURS:
        raise AlreadyExists(f"Another daemon is {name} already")


async def until_the_end(bus: Bus, background: "asyncio.Task[None]", stop: asyncio.Event) -> None:
    """Wait until stop is set.

    Raises KapsuleError when the bus is lost first, and whatever ends the background work.
    """
    lost = asyncio.create_task(bus.wait_for_end())
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait((lost, stopped, background), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if background.done():
        background.result()
    if lost.done():
        raise KapsuleError(f"The bus is lost: {lost.exception() or 'it closed the connection'}")
    lost.cancel()
