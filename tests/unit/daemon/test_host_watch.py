# SPDX-License-Identifier: GPL-3.0-or-later
"""Signals of the host's services on a private bus, real ones and forged ones."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from kapsule.daemon.host_watch import SERVICES, Services, watch_host
from kapsule.testing.private_bus import private_bus

TIMEDATE = "org.freedesktop.timedate1"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address of a bus where everybody may own every name."""
    with private_bus(tmp_path) as address:
        yield address


class Heard:
    """Counts what the watch tells."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.count = 0
        self.bus = MessageBus(address)
        self.services = Services(self.bus, self._changed)

    def _changed(self) -> None:
        self.count += 1

    async def settle(self, other: MessageBus) -> None:
        """Wait until all that the other connection sent, and the bus then sent us, is here."""
        for bus in (other, self.bus):
            await bus.call(
                Message(
                    "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId"
                )
            )


@pytest.fixture
async def heard(address: str) -> AsyncIterator[Heard]:
    """A watch that has begun; no service runs yet."""
    heard = Heard(address)
    await heard.bus.connect()
    await heard.services.watch()
    yield heard
    heard.bus.disconnect()


@pytest.fixture
async def other(address: str) -> AsyncIterator[MessageBus]:
    """Another connection."""
    bus = await MessageBus(address).connect()
    yield bus
    bus.disconnect()


def _signal(name: str, destination: str | None = None, **changes: str) -> Message:
    fields = {
        "path": SERVICES[name],
        "interface": "org.freedesktop.DBus.Properties",
        "member": "PropertiesChanged",
        **changes,
    }
    body = [name, {"Timezone": Variant("s", "Nowhere/Evil")}, ["Locale"]]
    return Message(
        destination,
        message_type=MessageType.SIGNAL,
        signature="sa{sv}as",
        body=body,
        **fields,  # type: ignore[arg-type]  # all of them are text
    )


@pytest.mark.parametrize("name", SERVICES)
async def test_a_service_is_heard(heard: Heard, other: MessageBus, name: str) -> None:
    """One that comes to the bus later is heard, and when it went and came again, too."""
    for _ in range(2):
        await other.request_name(name)
        before = heard.count
        await other.send(_signal(name))
        await heard.settle(other)
        assert heard.count == before + 1
        await other.release_name(name)


async def test_a_service_that_runs_already(address: str, other: MessageBus) -> None:
    """Whoever owns the name when the watch begins is heard."""
    await other.request_name(TIMEDATE)
    heard = Heard(address)
    await heard.bus.connect()
    await heard.services.watch()
    await other.send(_signal(TIMEDATE))
    await heard.settle(other)
    assert heard.count == 1
    heard.bus.disconnect()


async def test_invalidated_only(heard: Heard, other: MessageBus) -> None:
    """A service may say that something changed without saying what it is now."""
    await other.request_name(TIMEDATE)
    message = _signal(TIMEDATE)
    message.body = [TIMEDATE, {}, ["Timezone"]]
    await other.send(message)
    await heard.settle(other)
    assert heard.count == 1


async def test_forged_signals(heard: Heard, other: MessageBus, address: str) -> None:
    """Broadcast or sent to us alone, with or without the service there: nothing is heard."""
    real = await MessageBus(address).connect()
    for _ in range(2):
        for name in SERVICES:
            await other.send(_signal(name))
            await other.send(_signal(name, heard.bus.unique_name))
        owned = Message(
            heard.bus.unique_name,
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus",
            "NameOwnerChanged",
            message_type=MessageType.SIGNAL,
            signature="sss",
            body=[TIMEDATE, "", other.unique_name],
        )
        await other.send(owned)
        await other.send(_signal(TIMEDATE, heard.bus.unique_name))
        await real.request_name(TIMEDATE)
    await heard.settle(other)
    assert heard.count == 0
    real.disconnect()


async def test_a_former_owner(heard: Heard, other: MessageBus, address: str) -> None:
    """Who gave the name up is nobody any more."""
    await other.request_name(TIMEDATE)
    await other.release_name(TIMEDATE)
    await other.send(_signal(TIMEDATE, heard.bus.unique_name))
    await heard.settle(other)
    assert heard.count == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"path": SERVICES["org.freedesktop.locale1"]},
        {"path": "/elsewhere"},
        {"interface": "org.freedesktop.timedate1"},
        {"member": "Other"},
    ],
)
async def test_other_signals(heard: Heard, other: MessageBus, changes: dict[str, str]) -> None:
    """What is not its object's PropertiesChanged means nothing."""
    await other.request_name(TIMEDATE)
    await other.send(_signal(TIMEDATE, heard.bus.unique_name, **changes))
    await heard.settle(other)
    assert heard.count == 0


async def test_a_host_without_a_bus(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The files are watched all the same."""
    told = asyncio.Event()
    task = asyncio.create_task(watch_host(f"unix:path={tmp_path}/none", told.set))
    async with asyncio.timeout(10):
        await told.wait()
    await asyncio.sleep(0.01)
    assert not task.done()
    assert "in files only" in caplog.text
    task.cancel()
