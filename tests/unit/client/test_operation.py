# SPDX-License-Identifier: GPL-3.0-or-later
"""Following an operation: nothing is missed, nothing hangs."""

import asyncio

import pytest
from dbus_fast import Message as BusMessage
from dbus_fast import MessageType
from dbus_fast.aio import MessageBus

from kapsule import names
from kapsule.client import operation
from kapsule.client.bus import Bus
from kapsule.client.connection import Signal
from kapsule.client.operation import (
    Event,
    Message,
    Operation,
    ProgressCompleted,
    ProgressStarted,
    ProgressText,
    ProgressUpdate,
    to_event,
)
from kapsule.errors import Cancelled, KapsuleError
from kapsule.pipeline.progress import MessageKind
from kapsule.testing.fake_daemon import FakeDaemon, Said, Script

SIGNALS = (
    Said("Message", "isi", [0, "resolving", 1]),
    Said("ProgressStarted", "ssii", ["7", "Downloading", 100, 1]),
    Said("ProgressUpdate", "sid", ["7", 50, 1.5]),
    Said("ProgressTextUpdate", "ss", ["7", "half"]),
    Said("ProgressCompleted", "sbs", ["7", True, "done"]),
)
EVENTS = [
    Message(0, "resolving", 1),
    ProgressStarted("7", "Downloading", 100, 1),
    ProgressUpdate("7", 50, 1.5),
    ProgressText("7", "half"),
    ProgressCompleted("7", True, "done"),
]


def _follow(bus: Bus) -> list[Event]:
    return list(Operation(bus, lambda: bus.start_container("dev")))


def test_everything_that_is_said_arrives_in_order(bus: Bus, daemon: FakeDaemon) -> None:
    """Each signal is an event, and success ends the iteration."""
    daemon.run("StartContainer", Script(SIGNALS))
    assert _follow(bus) == EVENTS


def test_an_operation_that_is_over_before_its_path_is_known(bus: Bus, daemon: FakeDaemon) -> None:
    """We subscribed before the call, so what was said is still told."""
    daemon.run("StartContainer", Script(SIGNALS, before_reply=True))
    assert _follow(bus) == EVENTS


@pytest.mark.parametrize(("status", "text"), [("completed", ""), ("failed", "it broke")])
def test_an_end_that_nobody_announced_is_found(
    bus: Bus, daemon: FakeDaemon, status: str, text: str
) -> None:
    """The Status property tells it."""
    daemon.run("StartContainer", Script((), status, text, before_reply=True, silent=True))
    if status == "completed":
        assert _follow(bus) == []
    else:
        with pytest.raises(KapsuleError, match=text):
            _follow(bus)


def test_a_failure_has_message_and_hint(bus: Bus, daemon: FakeDaemon) -> None:
    """Both are in the one text that an operation has."""
    text = "Container 'dev' already exists\nHint: Choose another name"
    daemon.run("StartContainer", Script((), "failed", text))
    with pytest.raises(KapsuleError, match=r"^Container 'dev' already exists$") as caught:
        _follow(bus)
    assert caught.value.hint == "Choose another name"


def test_cancelling_waits_for_what_is_undone(bus: Bus, daemon: FakeDaemon) -> None:
    """Events go on after the request, and the end is Cancelled."""
    script = Script(SIGNALS[:1], "cancelled", "Operation cancelled", waits=True)
    daemon.run("StartContainer", script)
    started = Operation(bus, lambda: bus.start_container("dev"))
    events = iter(started)
    assert next(events) == EVENTS[0]
    started.cancel()
    assert next(events) == Message(operation.DIM, "undone", 1)
    with pytest.raises(Cancelled, match="Operation cancelled"):
        next(events)


def test_a_daemon_that_dies_ends_the_wait(bus: Bus, daemon: FakeDaemon) -> None:
    """There will never be a Completed, and we do not wait for it."""
    daemon.run("StartContainer", Script(SIGNALS[:1], dies=True))
    with pytest.raises(KapsuleError, match="stopped before it was done"):
        _follow(bus)


def test_an_operation_without_a_trace_is_an_error(bus: Bus, daemon: FakeDaemon) -> None:
    """Neither a signal nor an object: better an error than a wait for ever."""
    daemon.run("StartContainer", Script(silent=True, gone=True))
    with pytest.raises(KapsuleError, match="does not say how"):
        _follow(bus)


def test_signals_of_others_are_not_believed(bus: Bus, daemon: FakeDaemon, address: str) -> None:
    """Everybody on the bus may send us a signal; only the daemon's count."""
    forged = BusMessage(
        destination=str(bus._bus.unique_name),
        path="/org/kde/kapsule/operations/1",
        interface=names.OPERATION_INTERFACE,
        member="Completed",
        message_type=MessageType.SIGNAL,
        signature="bs",
        body=[False, "forged"],
    )

    async def forge() -> None:
        sender = await MessageBus(address).connect()
        await sender.send(forged)
        await sender.call(
            BusMessage(
                destination="org.freedesktop.DBus",
                path="/org/freedesktop/DBus",
                interface="org.freedesktop.DBus",
                member="GetId",
            )
        )
        sender.disconnect()

    def start() -> str:
        path = bus.start_container("dev")
        asyncio.run(forge())
        return path

    daemon.run("StartContainer", Script(SIGNALS))
    assert list(Operation(bus, start)) == EVENTS


def test_one_connection_follows_one_operation_after_the_other(bus: Bus, daemon: FakeDaemon) -> None:
    """`kapsule rm a b` uses a single connection."""
    daemon.run("StartContainer", Script(SIGNALS))
    assert _follow(bus) == EVENTS
    assert _follow(bus) == EVENTS


def test_signals_of_newer_versions_are_passed_over() -> None:
    """An unknown member or other arguments are no event."""
    assert to_event(Signal("/o", "Sparkle", ())) is None
    assert to_event(Signal("/o", "Message", (0, "text"))) is None


def test_the_kinds_of_message_are_those_of_the_bus() -> None:
    """The daemon's numbers and ours are the same."""
    assert [operation.INFO, operation.SUCCESS, operation.WARNING] == [0, 1, 2]
    for kind in MessageKind:
        assert getattr(operation, kind.name) == kind
