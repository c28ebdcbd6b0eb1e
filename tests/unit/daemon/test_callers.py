# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what. The other user is a process of its own, because the bus looks at that."""

import asyncio
import json
import os
import pwd
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from dbus_fast import DBusError, Message

from kapsule import names
from kapsule.config import Config
from kapsule.daemon import connection
from kapsule.daemon.admins import admin_gid
from kapsule.daemon.bus import Bus, Call, _current
from kapsule.daemon.callers import Callers
from kapsule.errors import IncusUnavailable, NotAuthorized

from .client import Client
from .conftest import Connect, Daemon, launch
from .fakes import container

NOBODY = pwd.getpwnam("nobody")
NOT_AUTHORIZED = NotAuthorized.dbus_name

# Makes the calls that it reads, one JSON list a line, and prints each answer.
_PROGRAM = """
import json, os, sys
from jeepney import DBusAddress, MessageType, new_method_call
from jeepney.io.blocking import open_dbus_connection
# Not before: the interpreter's files may be for the first user only.
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
bus = open_dbus_connection(sys.argv[2])
for line in sys.stdin:
    path, interface, member, signature, body = json.loads(line)
    address = DBusAddress(path, "org.kde.kapsule", interface)
    reply = bus.send_and_get_reply(new_method_call(address, member, signature, tuple(body)))
    error = reply.header.fields.get(4) if reply.header.message_type is MessageType.error else None
    print(json.dumps([error, reply.body]), flush=True)
"""


class OtherUser:
    """A client of another user."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def call(
        self,
        member: str,
        signature: str = "",
        *body: object,
        path: str = names.MANAGER_PATH,
        interface: str = names.MANAGER_INTERFACE,
    ) -> object:
        """Make a call and return its first result. Raises DBusError."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = json.dumps([path, interface, member, signature, body])
        self._process.stdin.write(request.encode() + b"\n")
        error, answer = json.loads(await self._process.stdout.readline())
        if error:
            raise DBusError(error, answer[0])
        result: object = answer[0]
        return result


Become = Callable[[int], Awaitable[OtherUser]]


@pytest.fixture
async def become(bus_address: str) -> AsyncIterator[Become]:
    """Return a coroutine function that connects as the user with a uid."""
    processes = []

    async def other(uid: int) -> OtherUser:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _PROGRAM, str(uid), bus_address),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        processes.append(process)
        return OtherUser(process)

    yield other
    for process in processes:
        await process.communicate(b"")


@pytest.fixture
async def nobody(become: Become, daemon: Daemon) -> OtherUser:
    """A client of the user nobody, who is no administrator."""
    return await become(NOBODY.pw_uid)


async def test_everybody_may_read(nobody: OtherUser, client: Client) -> None:
    """Lists, schema, settings and operations are free."""
    rows = await nobody.call("ListContainers")
    assert isinstance(rows, list)
    assert [row[0] for row in rows] == ["alices", "mine"]
    assert await nobody.call("GetContainerInfo", "s", "mine")
    assert await nobody.call("GetCreateSchema") == await client.call("GetCreateSchema")
    config = await nobody.call("GetConfig")
    assert config == {"default_container": "box", "default_image": "local:debian"}
    path = await client.call("StartContainer", "s", "mine")
    assert await nobody.call("ListOperations") == [path]
    assert await nobody.call("IsUserSetup", "su", "mine", 0) is False
    assert await nobody.call("ListImages")


async def test_what_only_the_owner_may_know(nobody: OtherUser, daemon: Daemon) -> None:
    """Others are not told paths of the owner's."""
    daemon.containers.content["dev"] = container("dev", custom_mounts='["/home/root/secret"]')
    described = json.loads(str(await nobody.call("Describe", "s", "dev")))
    assert described["name"] == "dev"
    assert (described["options"], described["devices"]) == ({}, {})


@pytest.mark.parametrize(
    ("member", "signature", "body"),
    [
        ("CreateContainer", "ssa{sv}", ("new", "x", {})),
        ("StartContainer", "s", ("mine",)),
        ("StopContainer", "sb", ("mine", True)),
        ("RestartContainer", "sb", ("mine", True)),
        ("DeleteContainer", "sb", ("mine", True)),
        ("SetupUser", "suuss", ("mine", NOBODY.pw_uid, NOBODY.pw_gid, "nobody", NOBODY.pw_dir)),
        ("Enter", "sassa{ss}aha{sv}", ("mine", [], "/", {}, [], {})),
    ],
)
async def test_only_administrators_may_change(
    nobody: OtherUser, daemon: Daemon, member: str, signature: str, body: tuple[object, ...]
) -> None:
    """Every change is refused at once, with a hint at who may."""
    with pytest.raises(DBusError, match="'nobody' may not do this") as raised:
        await nobody.call(member, signature, *body)
    assert raised.value.type == NOT_AUTHORIZED
    assert "admin_group" in raised.value.text
    assert daemon.work.calls == []


async def test_prepare_enter_refuses_in_its_reply(nobody: OtherUser) -> None:
    """Who may not enter gets no argv."""
    prepared = await nobody.call("PrepareEnter", "sass", "mine", [], "/")
    assert isinstance(prepared, list)
    assert prepared[0] is False
    assert "may not" in prepared[1]


@pytest.fixture
async def admin_daemon(bus_address: str) -> AsyncIterator[Daemon]:
    """A daemon for which nobody's group is the administrators'."""
    daemon = await launch(bus_address, admin_gid=lambda: NOBODY.pw_gid)
    yield daemon
    daemon.stop.set()
    await daemon.task


async def test_members_of_the_admin_group_may_change_what_is_theirs(
    admin_daemon: Daemon, become: Become
) -> None:
    """They create containers and change their own; those of others, root's too, are not theirs."""
    admin_daemon.containers.content["own"] = container("own", owner=NOBODY.pw_uid)
    nobody = await become(NOBODY.pw_uid)
    for member, signature, body in (
        ("CreateContainer", "ssa{sv}", ("new", "x", {})),
        ("StartContainer", "s", ("own",)),
        ("StartContainer", "s", ("mine",)),
    ):
        path = str(await nobody.call(member, signature, *body))
        properties = {"path": path, "interface": "org.freedesktop.DBus.Properties"}
        status = ["", "running"]
        while status[1] == "running":
            answer = await nobody.call(
                "Get", "ss", names.OPERATION_INTERFACE, "Status", **properties
            )
            assert isinstance(answer, list)
            status = answer
        expected = "failed" if body[0] == "mine" else "completed"
        assert status[1] == expected
    assert [call[0] for call in admin_daemon.work.calls] == ["create", "start"]


async def test_accounts_of_others_are_not_for_administrators(
    admin_daemon: Daemon, become: Become
) -> None:
    """Only root sets up somebody else's account."""
    nobody = await become(NOBODY.pw_uid)
    with pytest.raises(DBusError, match="your own") as raised:
        await nobody.call("SetupUser", "suuss", "mine", 0, 0, "root", "/root")
    assert raised.value.type == NOT_AUTHORIZED


async def test_operations_are_cancelled_by_their_creator_and_root_only(
    admin_daemon: Daemon, become: Become, connect: Connect
) -> None:
    """Another user is refused, and the operation goes on; root may."""

    async def work(_: object) -> None:
        await asyncio.Event().wait()

    admin_daemon.work.work = work
    client, nobody = await connect(), await become(NOBODY.pw_uid)
    cancel = {"interface": names.OPERATION_INTERFACE}
    of_root = await client.call("StartContainer", "s", "mine")
    with pytest.raises(DBusError, match="another user") as raised:
        await nobody.call("Cancel", path=of_root, **cancel)
    assert raised.value.type == NOT_AUTHORIZED
    assert await client.get(of_root, "Status") == "running"
    of_nobody = str(await nobody.call("CreateContainer", "ssa{sv}", "new", "x", {}))
    assert await client.call("Cancel", path=of_nobody, **cancel) is True
    of_nobody = str(await nobody.call("CreateContainer", "ssa{sv}", "new", "x", {}))
    assert await nobody.call("Cancel", path=of_nobody, **cancel) is True


async def test_what_is_known_of_a_caller_goes_when_it_leaves(bus_address: str) -> None:
    """The memory of callers does not grow, and only the bus can tell that one has left."""
    bus = Bus(bus_address, takes_descriptors=lambda _: False)
    callers = Callers(bus, lambda: None)
    client, liar = Client(bus_address), Client(bus_address)
    await client.connect()
    await liar.connect()

    async def hear_everything_until_now() -> None:
        await liar.call("Ping", interface="org.freedesktop.DBus.Peer")

    async with connection.on_bus(bus, names.BUS_NAME):
        left = client.unique_name
        _current.set(Call(left, True, ()))
        assert (await callers.identify()).user.uid == os.geteuid()
        lie = Message.new_signal(
            "/org/freedesktop/DBus",
            "org.freedesktop.DBus",
            "NameOwnerChanged",
            "sss",
            [left, left, ""],
        )
        lie.destination = names.BUS_NAME
        await liar.send_message(lie)
        await hear_everything_until_now()
        assert left in callers._uids
        await client.disconnect()
        await hear_everything_until_now()
        assert callers._uids == {}
    await liar.disconnect()


def test_the_group_of_incus_socket_administrates(tmp_path: Path) -> None:
    """Without a configured group it is the socket's; without a socket nobody can tell."""
    socket = tmp_path / "unix.socket"
    with pytest.raises(IncusUnavailable, match="is not there"):
        admin_gid(Config(), str(socket))
    socket.touch()
    assert admin_gid(Config(), str(socket)) == socket.stat().st_gid


def test_a_configured_group_administrates() -> None:
    """The group's members count, whoever owns the socket; a missing group has none."""
    assert admin_gid(Config(admin_group="root"), "/nowhere") == 0
    assert admin_gid(Config(admin_group="no such group"), "/nowhere") is None
