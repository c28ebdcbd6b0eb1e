# SPDX-License-Identifier: GPL-3.0-or-later
"""Be told when the host's settings change: by systemd's services, and by the files themselves."""

import asyncio
import logging
from collections.abc import Callable

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusFastError

from kapsule.host.file_watch import follow_files
from kapsule.host.settings import FILES

_BUS = "org.freedesktop.DBus"
_PROPERTIES = "org.freedesktop.DBus.Properties"
# Name on the bus -> its object.
SERVICES = {
    "org.freedesktop.timedate1": "/org/freedesktop/timedate1",
    "org.freedesktop.locale1": "/org/freedesktop/locale1",
    "org.freedesktop.resolve1": "/org/freedesktop/resolve1",
}

log = logging.getLogger(__name__)


async def watch_host(address: str | None, changed: Callable[[], None]) -> None:
    """Call changed whenever the host's settings may have changed, for ever.

    address: of the bus, or None for the system bus. Without it the files are watched all the same.
    """
    async with asyncio.TaskGroup() as group:
        group.create_task(follow_files(FILES, changed))
        group.create_task(_follow_services(address, changed))


async def _follow_services(address: str | None, changed: Callable[[], None]) -> None:
    bus = MessageBus(address, BusType.SYSTEM)
    try:
        await bus.connect()
        await Services(bus, changed).watch()
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
    except (OSError, EOFError, DBusFastError) as error:
        log.warning("Changes of settings are seen in files only: %s", error)
    finally:
        bus.disconnect()


class Services:
    """Hears the services' signals, and nobody else's.

    Whoever is on the bus can send a signal with any content to any connection; but who sent it is
    the bus's word. The content is not used at all: what has changed is read from the files.
    """

    def __init__(self, bus: MessageBus, changed: Callable[[], None]) -> None:
        self._bus = bus
        self._changed = changed
        self._owners: dict[str, str] = {}

    async def watch(self) -> None:
        """Ask the bus for the signals. A service need not run, and is not started."""
        self._bus.add_message_handler(self._take)
        for name, path in SERVICES.items():
            owner = f"type='signal',sender='{_BUS}',member='NameOwnerChanged',arg0='{name}'"
            await self._call_bus("AddMatch", owner)
            properties = f"type='signal',sender='{name}',path='{path}',interface='{_PROPERTIES}'"
            await self._call_bus("AddMatch", properties)
            reply = await self._call_bus("GetNameOwner", name)
            if reply and reply.message_type is MessageType.METHOD_RETURN:
                self._owners[name] = reply.body[0]

    async def _call_bus(self, member: str, argument: str) -> Message | None:
        message = Message(
            _BUS, "/org/freedesktop/DBus", _BUS, member, signature="s", body=[argument]
        )
        reply = await self._bus.call(message)
        if member == "AddMatch" and reply and reply.message_type is MessageType.ERROR:
            log.warning("The bus does not tell of %s: %s", argument, reply.body)
        return reply

    def _take(self, message: Message) -> None:
        if message.message_type is not MessageType.SIGNAL:
            return
        if message.sender == _BUS and message.member == "NameOwnerChanged":
            name, _, owner = message.body
            if name in SERVICES:
                self._owners[name] = owner
        elif message.interface == _PROPERTIES and message.member == "PropertiesChanged":
            self._take_properties(message)

    def _take_properties(self, message: Message) -> None:
        """Take changed properties and invalidated ones alike."""
        names = [name for name, path in SERVICES.items() if path == message.path]
        if names and message.sender and self._owners.get(names[0]) == message.sender:
            self._changed()
