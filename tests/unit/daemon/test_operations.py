# SPDX-License-Identifier: GPL-3.0-or-later
"""When an operation is on the bus, what is said about it, and to whom."""

import asyncio
import contextlib
import itertools
import logging

import pytest
from dbus_fast import DBusError, MessageFlag
from dbus_fast.unpack import unpack_variants

from kapsule import names
from kapsule.daemon.callers import Caller
from kapsule.daemon.operation import RUNNING, TRANSITIONS, Operation
from kapsule.daemon.operations import Timing
from kapsule.errors import Busy, Cancelled, GuestError, KapsuleError
from kapsule.host.users import HostUser
from kapsule.pipeline.progress import MessageKind, Progress

from .client import Client
from .conftest import Connect, Daemon, launch

OPERATION = names.OPERATION_INTERFACE


async def start(client: Client) -> str:
    """Begin an operation and return its path."""
    path: str = await client.call("StartContainer", "s", "mine")
    return path


async def wait_as_qt_does(client: Client, path: str) -> tuple[bool, str]:
    """Wait for an operation as KDE's library does.

    It reads Status, and only if that is "running" it begins to listen, for Completed alone. What
    arrives before that is lost on it.
    """
    if await client.get(path, "Status") != RUNNING:
        return (
            await client.get(path, "Status") == "completed",
            await client.get(path, "ErrorMessage"),
        )
    await client.add_match(f"type='signal',interface='{OPERATION}',path='{path}'")
    deaf_until = len(client.signals)
    success, error = (await client.wait_for("Completed", path, after=deaf_until)).body
    return success, error


async def test_an_operation_that_is_over_at_once_is_not_missed(
    client: Client, daemon: Daemon
) -> None:
    """Work without a real wait fails after the client listens, with text and messages."""

    async def fail(progress: Progress) -> None:
        progress.message("about to fail", MessageKind.WARNING)
        raise GuestError("there is no shell", hint="Install one")

    daemon.work.work = fail
    for _ in range(20):
        path = await start(client)
        before = len(client.signals)
        assert await wait_as_qt_does(client, path) == (
            False,
            "there is no shell\nHint: Install one",
        )
        assert (await client.wait_for("Message", path, after=before)).body == [
            2,
            "about to fail",
            1,
        ]


async def test_a_client_that_looks_late_finds_the_end(client: Client, daemon: Daemon) -> None:
    """After the end, and after the object has left the bus, the properties can be read."""

    async def fail(_: Progress) -> None:
        raise KapsuleError("no luck")

    daemon.work.work = fail
    path = await start(client)
    await client.wait_for("Completed", path)
    assert await wait_as_qt_does(client, path) == (False, "no luck")
    await client.wait_for("InterfacesRemoved", path)
    assert await wait_as_qt_does(client, path) == (False, "no luck")
    properties = await client.get_all(path)
    assert (properties["Target"], properties["ErrorName"]) == ("mine", KapsuleError.dbus_name)


async def test_the_memory_of_ended_operations_fades(client: Client) -> None:
    """Some time after it has left the bus, nothing of an operation is left."""
    path = await start(client)
    await client.wait_for("InterfacesRemoved", path)

    async def ask_until_gone() -> None:
        for _ in itertools.count():
            await client.get(path, "Status")
            await asyncio.sleep(0.02)

    with pytest.raises(DBusError) as raised:
        await asyncio.wait_for(ask_until_gone(), 20)
    assert raised.value.type == "org.freedesktop.DBus.Error.UnknownObject"


async def test_the_life_of_an_operation_is_told_in_order(client: Client, daemon: Daemon) -> None:
    """Added, progress, properties, Completed three times, removed: all from the object's path."""

    async def work(progress: Progress) -> None:
        progress.message("hello", indent=2)
        with progress.bar("loading", total=10) as bar:
            bar.update(3, rate=1.5)
            bar.text("slowly")

    daemon.work.work = work
    path = await start(client)
    assert await client.call("ListOperations") == [path]
    await client.get_all(path)
    await client.wait_for("InterfacesRemoved", path)
    told = [signal for signal in client.signals if signal.path == path]
    assert [signal.member for signal in told] == [
        "InterfacesAdded",
        "Message",
        "ProgressStarted",
        "ProgressUpdate",
        "ProgressTextUpdate",
        "ProgressCompleted",
        "PropertiesChanged",
        "Completed",
        "Completed",
        "Completed",
        "InterfacesRemoved",
    ]
    added, message, started, update, words, ended, changed, *_, removed = told
    assert unpack_variants(added.body)[1][OPERATION]["Status"] == RUNNING
    assert message.body == [0, "hello", 2]
    number = started.body[0]
    assert (started.body, update.body) == ([number, "loading", 10, 1], [number, 3, 1.5])
    assert (words.body, ended.body) == ([number, "slowly"], [number, True, ""])
    assert unpack_variants(changed.body)[:2] == [
        OPERATION,
        {"Status": "completed", "ErrorMessage": "", "ErrorName": ""},
    ]
    assert removed.body == [path, [OPERATION]]
    assert await client.call("ListOperations") == []


async def test_nobody_else_hears_of_an_operation(connect: Connect, client: Client) -> None:
    """Signals go to the creator alone, whatever others ask the bus for."""
    eavesdropper = await connect()
    for rule in (
        "type='signal'",
        f"sender='{names.BUS_NAME}'",
        f"type='signal',interface='{OPERATION}'",
        f"type='signal',path_namespace='{names.MANAGER_PATH}'",
    ):
        await eavesdropper.add_match(rule)
    with contextlib.suppress(DBusError):  # the bus may forbid even to ask
        await eavesdropper.add_match("eavesdrop='true'")
    path = await start(client)
    await client.wait_for("InterfacesRemoved", path)
    # What was sent to it before this reply would have arrived before it.
    await eavesdropper.call("ListOperations")
    assert eavesdropper.signals == []
    assert {signal.destination for signal in client.signals} == {client.unique_name}


async def test_a_caller_that_leaves_does_not_stop_its_operation(
    client: Client, connect: Connect, daemon: Daemon
) -> None:
    """The work goes on to its end, and the daemon with it."""
    begun, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work(progress: Progress) -> None:
        begun.set()
        await go_on.wait()
        progress.message("to nobody")
        ended.set()

    daemon.work.work = work
    other = Client(client.address)
    await other.connect()
    path = await start(other)
    await begun.wait()
    await other.disconnect()
    assert await client.call("ListOperations") == [path]
    go_on.set()
    await ended.wait()
    for _ in range(1000):
        if await client.get(path, "Status") != RUNNING:
            break
        await asyncio.sleep(0.01)
    assert await client.get(path, "Status") == "completed"


async def test_cancel_undoes_and_tells(client: Client, daemon: Daemon) -> None:
    """Cancel is true while the work runs; the end comes after the undo and says so."""
    begun, undone = asyncio.Event(), asyncio.Event()

    async def work(_: Progress) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            undone.set()

    daemon.work.work = work
    path = await start(client)
    await client.get_all(path)
    await begun.wait()
    to = {"path": path, "interface": OPERATION}
    assert await client.call("Cancel", **to) is True
    assert (await client.wait_for("Completed", path)).body == [False, "Operation cancelled"]
    assert undone.is_set()
    assert await client.get(path, "Status") == "cancelled"
    assert (await client.get_all(path))["ErrorName"] == Cancelled.dbus_name
    assert await client.call("Cancel", **to) is False


async def test_the_last_word_of_a_caller_that_leaves(client: Client, daemon: Daemon) -> None:
    """A Cancel counts also when whoever sent it is gone before it is read."""
    begun, undone = asyncio.Event(), asyncio.Event()

    async def work(_: Progress) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            undone.set()

    daemon.work.work = work
    other = Client(client.address)
    await other.connect()
    path = await start(other)
    await begun.wait()
    no_reply = MessageFlag.NO_REPLY_EXPECTED
    await other.send("Cancel", path=path, interface=OPERATION, flags=no_reply)
    await other.disconnect()
    async with asyncio.timeout(20):
        await undone.wait()


async def test_cancel_before_the_work_begins(bus_address: str, connect: Connect) -> None:
    """An operation that waits for its caller to look can be cancelled without ever starting."""
    daemon = await launch(bus_address, timing=Timing(hold=1000))
    client = await connect()
    path = await start(client)
    assert await client.call("Cancel", path=path, interface=OPERATION) is True
    assert (await client.wait_for("Completed", path)).body[0] is False
    assert daemon.work.calls == []
    daemon.stop.set()
    await daemon.task


async def test_bugs_are_told_briefly_and_logged_at_length(
    client: Client, daemon: Daemon, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception that nobody expected ends the operation; details are for the log only."""

    async def work(_: Progress) -> None:
        raise KeyError("/root/secret")

    daemon.work.work = work
    with caplog.at_level(logging.ERROR):
        success, error = await wait_as_qt_does(client, await start(client))
    assert not success
    assert error.startswith("Internal error: KeyError")
    assert "secret" not in error
    assert "/root/secret" in caplog.text


async def test_hostile_texts_do_not_break_the_connection(client: Client, daemon: Daemon) -> None:
    """What a guest or an image makes us say may hold anything."""

    async def work(progress: Progress) -> None:
        progress.message("a\0b\ud800c")
        with progress.bar("\0", total=10**13) as bar:
            bar.update(5 * 10**12, rate=10.0**9)
            bar.text("\udfff")
        raise KapsuleError("\0 \ud800")

    daemon.work.work = work
    path = await start(client)
    assert await wait_as_qt_does(client, path) == (False, "\ufffd ?")
    assert client.bodies("Message") == [[0, "a\ufffdb?c", 1]]
    [[_, _, total, _]], [[_, current, _]] = (
        client.bodies("ProgressStarted"),
        client.bodies("ProgressUpdate"),
    )
    assert total < 2**31
    assert abs(current / total - 0.5) < 0.001


async def test_long_texts_are_cut_off(client: Client, daemon: Daemon) -> None:
    """What a caller sends for a name is not repeated, nor kept, at its full length."""
    long = "x" * 60_000
    path = await client.call("StartContainer", "s", long)
    await client.wait_for("Completed", path)
    properties = await client.get_all(path)
    assert properties["Target"] == "x" * 255 + "\u2026"
    assert max(map(len, properties.values())) <= 4096
    with pytest.raises(DBusError) as raised:
        await client.call("GetContainerInfo", "s", long)
    assert len(raised.value.text) == 4096


async def test_operations_on_one_container_take_turns(client: Client, daemon: Daemon) -> None:
    """The second begins when the first has ended."""
    inside = 0
    most = 0

    async def work(_: Progress) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.01)
        inside -= 1

    daemon.work.work = work
    paths = [await start(client) for _ in range(5)]
    for path in paths:
        assert (await client.wait_for("Completed", path)).body == [True, ""]
    assert most == 1


async def test_three_hundred_operations_leave_nothing_behind(
    client: Client, daemon: Daemon
) -> None:
    """Each has an id of its own; in the end tasks and objects are as many as before."""
    before = len(asyncio.all_tasks())
    paths = []
    for _ in range(300):
        paths.append(await start(client))
        await client.get_all(paths[-1])
    await client.wait_until(lambda: len(client.bodies("InterfacesRemoved")) == 300)
    assert len(set(paths)) == 300
    manager = {"path": names.MANAGER_PATH, "interface": "org.freedesktop.DBus.ObjectManager"}
    assert await client.call("GetManagedObjects", **manager) == {}
    for _ in range(1000):
        if len(asyncio.all_tasks()) <= before:
            break
        await asyncio.sleep(0.01)
    assert len(asyncio.all_tasks()) <= before


async def test_one_user_cannot_have_too_many(client: Client, daemon: Daemon) -> None:
    """Beyond the limit the call itself is refused, until some have ended."""
    go_on = asyncio.Event()

    async def work(_: Progress) -> None:
        await go_on.wait()

    daemon.work.work = work
    paths = [await start(client) for _ in range(64)]
    with pytest.raises(DBusError, match="64 operations") as raised:
        await start(client)
    assert raised.value.type == Busy.dbus_name
    go_on.set()
    for path in paths:
        await client.wait_for("Completed", path)
    await start(client)


async def test_only_the_latest_of_very_many_are_remembered(
    bus_address: str, connect: Connect
) -> None:
    """A user whose operations never end to begin does not fill the memory."""
    timing = Timing(hold=0.001, settle=0, repeat=0.001, linger=0.002, remember=1000)
    daemon = await launch(bus_address, timing=timing)
    client = await connect()
    paths = []
    for _ in range(300):
        paths.append(await start(client))
        await client.wait_for("InterfacesRemoved", paths[-1])
    with pytest.raises(DBusError, match="There is no object"):
        await client.get_all(paths[43])
    assert (await client.get_all(paths[44]))["Status"] == "completed"
    daemon.stop.set()
    await daemon.task


async def test_ids_are_not_given_out_again_after_a_restart(
    bus_address: str, connect: Connect
) -> None:
    """An old path never means a new operation."""
    seen = []
    for _ in range(2):
        daemon = await launch(bus_address)
        client = await connect()
        seen.append(await start(client))
        daemon.stop.set()
        await daemon.task
    assert seen[0] != seen[1]
    assert all(path.rpartition("/")[2].isdecimal() for path in seen)


async def test_a_look_with_get_all_costs_no_time(bus_address: str, connect: Connect) -> None:
    """A client that listens from the start waits neither for the hold nor for the settling."""
    slow = Timing(hold=1000, settle=1000)
    daemon = await launch(bus_address, timing=slow)
    client = await connect()
    path = await start(client)
    await client.get_all(path)
    await client.wait_for("Completed", path)
    daemon.stop.set()
    await daemon.task


async def test_others_cannot_hold_an_operation_up(bus_address: str, connect: Connect) -> None:
    """Only what its creator reads counts as a look."""
    go_on = asyncio.Event()

    async def work(_: Progress) -> None:
        await go_on.wait()

    daemon = await launch(bus_address, timing=Timing(hold=0.2, settle=1000))
    daemon.work.work = work
    client, other = await connect(), await connect()
    path = await start(client)
    assert await other.get(path, "Status") == RUNNING
    go_on.set()
    await client.wait_for("Completed", path)
    daemon.stop.set()
    await daemon.task


def operation() -> Operation:
    """Return an operation that is on no bus."""
    user = HostUser(1, 1, "a", "/", "/bin/sh", (1,), "a")
    caller = Caller(":1.1", user)
    return Operation("start", "x", "Start x", caller, itertools.count(5))


@pytest.mark.parametrize("first", [None, KapsuleError("x"), Cancelled("x")])
@pytest.mark.parametrize("second", [None, KapsuleError("x"), Cancelled("x")])
def test_an_end_is_final(first: KapsuleError | None, second: KapsuleError | None) -> None:
    """No state but running leads anywhere."""
    ended = operation()
    ended.settle(first)
    with pytest.raises(ValueError, match="cannot go"):
        ended.settle(second)
    assert ended.cancel() is False


def test_the_state_table_is_complete() -> None:
    """Every state that can be reached is in the table."""
    assert set(TRANSITIONS) == {RUNNING, *TRANSITIONS[RUNNING]}
    assert all(not TRANSITIONS[state] for state in TRANSITIONS[RUNNING])
