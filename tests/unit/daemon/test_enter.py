# SPDX-License-Identifier: GPL-3.0-or-later
"""Enter: what comes in, what goes out, and that no descriptor is left behind."""

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest
from dbus_fast import DBusError, Message, MessageFlag, MessageType, Variant

from kapsule import names
from kapsule.daemon.bus import close_all
from kapsule.enter.request import EnterReply, EnterRequest
from kapsule.errors import Cancelled, GuestError, InvalidArgument
from kapsule.pipeline.progress import Progress

from .client import Client
from .conftest import ALICE, Daemon
from .descriptors import closed, open_descriptors
from .fakes import container

SIGNATURE = "sassa{ss}aha{sv}"
PIPES = {"terminal": Variant("au", [])}
ON_TERMINAL = {"terminal": Variant("au", [0, 1, 2])}


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe of the client's: read end, write end."""
    ends = os.pipe()
    yield ends
    close_all(ends)


async def enter(
    client: Client,
    name: str = "mine",
    command: tuple[str, ...] = (),
    *,
    environment: dict[str, str] | None = None,
    fds: tuple[int, ...] = (),
    options: dict[str, Variant] | None = None,
    cwd: str = "/srv",
    indexes: list[int] | None = None,
) -> Message:
    """Call Enter and return the whole reply. Raises DBusError."""
    body: tuple[Any, ...] = (
        name,
        list(command),
        cwd,
        environment or {},
        list(range(len(fds))) if indexes is None else indexes,
        ON_TERMINAL if options is None else options,
    )
    reply = await client.send("Enter", SIGNATURE, *body, unix_fds=fds)
    assert reply is not None
    if reply.message_type is MessageType.ERROR:
        raise DBusError(reply.error_name or "", reply.body[0])
    return reply


async def session(_: EnterRequest, __: Progress) -> EnterReply:
    """Answer with a session without a terminal."""
    read, write = os.pipe()
    os.close(write)
    return EnterReply(read, None, ("a note", "\0"))


async def test_the_request_is_complete(
    client: Client, daemon: Daemon, pipe: tuple[int, int]
) -> None:
    """Words, variables, directory, descriptors and terminal arrive as they were sent."""
    written: list[int] = []

    async def write(request: EnterRequest, _: Progress) -> EnterReply:
        written.extend(os.write(fd, b"hello") for fd in request.stdio)
        assert not any(map(os.get_inheritable, request.stdio))
        return await session(request, _)

    daemon.work.enter = write
    command = ("sh", "", "a b", "x\ny")
    options = {
        "terminal": Variant("au", [0, 2]),
        "rows": Variant("u", 50),
        "columns": Variant("u", 132),
        "root": Variant("b", True),
    }
    reply = await enter(
        client, "mine", command, environment={"A": "b=c\n"}, fds=(pipe[1],), options=options
    )
    close_all(reply.unix_fds)
    [(_, request)] = daemon.work.calls
    assert isinstance(request, EnterRequest)
    assert (request.name, request.command, request.cwd) == ("mine", command, "/srv")
    assert (request.environment, request.terminal) == ({"A": "b=c\n"}, (0, 2))
    assert (request.rows, request.columns, request.root) == (50, 132, True)
    assert (request.caller.uid, request.create) == (os.geteuid(), None)
    assert (written, os.read(pipe[0], 5)) == ([5], b"hello")


async def test_the_reply_brings_the_sessions_ends(client: Client, daemon: Daemon) -> None:
    """Control socket, terminal if there is one, and notes; the daemon keeps none of them."""

    async def on_terminal(_: EnterRequest, __: Progress) -> EnterReply:
        return EnterReply(*os.pipe(), ("a note", "\0"))

    daemon.work.enter = on_terminal
    before = open_descriptors()
    reply = await enter(client)
    assert reply.signature == "hahass"
    assert (reply.body[0], reply.body[1], reply.body[2]) == (0, [1], ["a note", "\ufffd"])
    read, write = reply.unix_fds
    os.write(write, b"x")
    assert os.read(read, 1) == b"x"
    os.close(write)
    assert os.read(read, 1) == b""  # nobody else holds the other end
    os.close(read)
    daemon.work.enter = session
    reply = await enter(client)
    assert reply.body[1] == []
    close_all(reply.unix_fds)
    await closed(lambda: open_descriptors() == before)


async def test_no_descriptor_is_left_behind_whatever_happens(
    client: Client, daemon: Daemon, pipe: tuple[int, int]
) -> None:
    """Errors, refusals, wrong shapes and unwanted descriptors all end with them closed."""

    async def fail(_: EnterRequest, __: Progress) -> EnterReply:
        raise GuestError("there is no shell")

    daemon.work.enter = fail
    await client.call("ListContainers")
    before = open_descriptors()
    three = (pipe[0], pipe[1], pipe[1])
    changes: tuple[dict[str, Any], ...] = (
        {"name": "mine"},  # the feature fails
        {"name": "none"},
        {"name": "alices"},
        {"options": ON_TERMINAL},  # too many
        {"options": {"nonsense": Variant("b", True)}},
        {"options": {"terminal": Variant("ah", [0])}},
        {"indexes": []},
        {"indexes": [0, 1, 7]},
        {"cwd": "relative"},
    )
    for change in changes:
        with pytest.raises(DBusError):
            await enter(client, **{"fds": three, "options": PIPES, **change})
    for member, signature, body in (
        ("ListContainers", "", ()),
        ("StartContainer", "s", ("none",)),
        ("Enter", "s", ("mine",)),
        ("Nonsense", "ah", ([0],)),
    ):
        await client.send(member, signature, *body, unix_fds=three)
    await client.send("Enter", SIGNATURE, "mine", [], "/", {}, [], {}, path="/", unix_fds=three)
    unwanted = Message.new_signal("/x", "x.y", "Z", "h", [0], [pipe[0]])
    unwanted.destination = names.BUS_NAME
    await client.send_message(unwanted)
    await client.call("ListContainers")
    await closed(lambda: open_descriptors() == before)


async def test_the_daemons_own_descriptors_cannot_be_had(client: Client, daemon: Daemon) -> None:
    """Numbers without descriptors in the message are refused, not taken for the daemon's."""
    daemon.work.enter = session
    for indexes in ([0, 1, 2], [5, 6, 7]):
        with pytest.raises(DBusError) as raised:
            await enter(client, options=PIPES, indexes=indexes)
        assert raised.value.type == InvalidArgument.dbus_name
    assert daemon.work.calls == []


async def test_without_a_reply_there_is_no_session(
    client: Client, daemon: Daemon, pipe: tuple[int, int]
) -> None:
    """Nobody would get its ends, so it is not begun."""
    daemon.work.enter = session
    before = open_descriptors()
    body: tuple[Any, ...] = ("mine", [], "/", {}, [0, 1, 2], PIPES)
    three = (pipe[0], pipe[1], pipe[1])
    flags = MessageFlag.NO_REPLY_EXPECTED
    await client.send("Enter", SIGNATURE, *body, unix_fds=three, flags=flags)
    await client.call("ListContainers")
    assert daemon.work.calls == []
    await closed(lambda: open_descriptors() == before)


async def test_large_environments_and_words_arrive(client: Client, daemon: Daemon) -> None:
    """2 MB of variables and a word of 100,000 bytes are not cut."""
    daemon.work.enter = session
    environment = {f"V{number}": "x" * 2000 for number in range(1000)}
    word = "y" * 100_000
    close_all((await enter(client, command=(word,), environment=environment)).unix_fds)
    [(_, request)] = daemon.work.calls
    assert isinstance(request, EnterRequest)
    assert request.environment == environment
    assert request.command == (word,)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("terminal", Variant("au", [2, 1, 0])),
        ("terminal", Variant("au", [0, 1, 2, 3])),
        ("terminal", Variant("au", [0, 0, 1])),
        ("terminal", Variant("as", ["0", "1", "2"])),
        ("terminal", Variant("aau", [[0]])),
        ("terminal", Variant("aa{su}", [{"0": 1}])),
        ("terminal", Variant("s", "012")),
        ("rows", Variant("u", 70000)),
        ("rows", Variant("s", "24")),
        ("columns", Variant("i", -1)),
        ("columns", Variant("b", True)),
        ("root", Variant("u", 1)),
        ("more", Variant("u", 1)),
    ],
)
async def test_options_that_cannot_be_are_refused(
    client: Client, daemon: Daemon, key: str, value: Variant
) -> None:
    """The error names what is wrong."""
    daemon.work.enter = session
    with pytest.raises(DBusError, match=key) as raised:
        await enter(client, options={**ON_TERMINAL, key: value})
    assert raised.value.type == InvalidArgument.dbus_name


@pytest.mark.parametrize("variable", ["", "A=B", "="])
async def test_variables_must_have_names(client: Client, daemon: Daemon, variable: str) -> None:
    """A name that is empty or has an equals sign is refused."""
    daemon.work.enter = session
    with pytest.raises(DBusError, match="variable"):
        await enter(client, environment={variable: "x"})


async def test_a_warm_enter_has_no_operation(client: Client, daemon: Daemon) -> None:
    """Work that has nothing to say costs no signal."""
    daemon.work.enter = session
    close_all((await enter(client)).unix_fds)
    await client.call("ListContainers")
    assert client.signals == []


async def test_long_work_is_told_by_an_operation(client: Client, daemon: Daemon) -> None:
    """It appears with the first word, for the caller alone, and has ended before the reply."""

    async def slow(request: EnterRequest, progress: Progress) -> EnterReply:
        with progress.bar("Starting mine"):
            progress.message("nearly there")
        return await session(request, progress)

    daemon.work.enter = slow
    close_all((await enter(client)).unix_fds)
    members = [signal.member for signal in client.signals]
    assert members == [
        "InterfacesAdded",
        "ProgressStarted",
        "Message",
        "ProgressCompleted",
        "PropertiesChanged",
        "Completed",
    ]
    path, interfaces = client.signals[0].body
    properties = interfaces[names.OPERATION_INTERFACE]
    assert (properties["Type"].value, properties["Target"].value) == ("enter", "mine")
    await client.wait_for("InterfacesRemoved", path)


async def test_a_failure_of_long_work_is_told_twice(client: Client, daemon: Daemon) -> None:
    """The operation ends with the error that the call answers with."""

    async def fail(_: EnterRequest, progress: Progress) -> EnterReply:
        progress.message("trying")
        raise GuestError("there is no shell", hint="Install one")

    daemon.work.enter = fail
    with pytest.raises(DBusError, match="there is no shell\nHint: Install one") as raised:
        await enter(client)
    assert raised.value.type == GuestError.dbus_name
    assert (await client.wait_for("Completed")).body == [False, raised.value.text]


async def test_a_caller_that_leaves_cancels_its_enter(client: Client, daemon: Daemon) -> None:
    """Nobody would get the session, so what was begun is undone."""
    begun, undone = asyncio.Event(), asyncio.Event()

    async def endless(_: EnterRequest, progress: Progress) -> EnterReply:
        progress.message("creating")
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            undone.set()
        raise AssertionError

    daemon.work.enter = endless
    other = Client(client.address)
    await other.connect()
    waiting = asyncio.ensure_future(enter(other))
    await begun.wait()
    await other.disconnect()
    await asyncio.wait_for(undone.wait(), 20)
    await asyncio.wait([waiting])
    assert waiting.exception() is not None


async def test_an_enter_can_be_cancelled(client: Client, daemon: Daemon) -> None:
    """Cancel of its operation makes the call answer with Cancelled."""

    async def endless(_: EnterRequest, progress: Progress) -> EnterReply:
        progress.message("creating")
        await asyncio.Event().wait()
        raise AssertionError

    daemon.work.enter = endless
    waiting = asyncio.ensure_future(enter(client))
    path = (await client.wait_for("InterfacesAdded")).path
    assert await client.call("Cancel", path=path, interface=names.OPERATION_INTERFACE) is True
    with pytest.raises(DBusError, match="Operation cancelled") as raised:
        await waiting
    assert raised.value.type == Cancelled.dbus_name
    assert await client.get(str(path), "Status") == "cancelled"


@pytest.mark.parametrize("name", ["", "box"])
async def test_the_default_container_is_made_when_it_is_missing(
    client: Client, daemon: Daemon, name: str
) -> None:
    """An empty name means it, and so does its own; the request says how to make it."""
    daemon.work.enter = session
    close_all((await enter(client, name)).unix_fds)
    [(_, request)] = daemon.work.calls
    assert isinstance(request, EnterRequest)
    assert request.name == "box"
    assert request.create is not None
    create = request.create
    assert (create.name, create.image, create.options) == ("box", "local:debian", {})
    assert create.owner.uid == os.geteuid()
    daemon.containers.content["box"] = container("box")
    close_all((await enter(client, name)).unix_fds)
    _, (_, request) = daemon.work.calls
    assert isinstance(request, EnterRequest)
    assert (request.name, request.create) == ("box", None)


async def test_no_other_container_is_made(client: Client, daemon: Daemon) -> None:
    """A missing container that is not the default is an error."""
    daemon.work.enter = session
    with pytest.raises(DBusError, match="Container 'none' does not exist"):
        await enter(client, "none")
    assert daemon.work.calls == []


async def test_root_may_enter_what_is_others(client: Client, daemon: Daemon) -> None:
    """Ownership does not bind root."""
    daemon.work.enter = session
    daemon.containers.content["theirs"] = container("theirs", owner=ALICE)
    close_all((await enter(client, "theirs")).unix_fds)
    assert len(daemon.work.calls) == 1
