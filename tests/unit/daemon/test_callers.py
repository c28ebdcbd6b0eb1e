# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what."""

import asyncio
import json
import os
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from dbus_fast import DBusError, Message

from kapsule import names
from kapsule.config import Config
from kapsule.daemon import connection
from kapsule.daemon.admins import admin_gid
from kapsule.daemon.bus import Bus, Call, _current
from kapsule.daemon.callers import Callers
from kapsule.errors import Busy, IncusUnavailable, NotAuthorized

from .client import Client
from .conftest import ALICE, NOBODY, Become, Connect, Daemon, launch
from .fakes import container
from .other_user import OtherUser

NOT_AUTHORIZED = NotAuthorized.dbus_name


async def test_what_everybody_may_read(nobody: OtherUser, client: Client) -> None:
    """Schema, settings and images are free; of containers and operations one's own are there."""
    await client.call("StartContainer", "s", "mine")
    assert await nobody.call("ListContainers") == []
    assert await nobody.call("ListOperations") == []
    assert await nobody.call("IsUserSetup", "su", "mine", 0) is False
    assert await nobody.call("GetCreateSchema") == await client.call("GetCreateSchema")
    config = await nobody.call("GetConfig")
    assert config == {"default_container": "box", "default_image": "local:debian"}
    (image,) = json.loads(str(await nobody.call("ListImages")))
    assert (image["uid"], image["is_admin"]) == (NOBODY.pw_uid, False)


async def test_ones_own_are_there(nobody: OtherUser, daemon: Daemon) -> None:
    """Without a polkit, too, one may see what one has."""
    daemon.containers.content["own"] = container("own", owner=NOBODY.pw_uid, gpu="false")
    rows = await nobody.call("ListContainers")
    assert isinstance(rows, list)
    assert [row[0] for row in rows] == ["own"]
    assert await nobody.call("GetContainerInfo", "s", "own") == rows[0]
    described = json.loads(str(await nobody.call("Describe", "s", "own")))
    assert described["options"]["gpu"] is False
    assert described["devices"]


async def test_without_polkit_others_may_change_nothing(nobody: OtherUser, daemon: Daemon) -> None:
    """Root and the admin group may; everybody else is refused at once, with the reason."""
    daemon.containers.content["own"] = container("own", owner=NOBODY.pw_uid)
    account = (NOBODY.pw_uid, NOBODY.pw_gid, "nobody", NOBODY.pw_dir)
    for member, signature, body in (
        ("CreateContainer", "ssa{sv}", ("new", "x", {})),
        ("StartContainer", "s", ("own",)),
        ("StopContainer", "sb", ("own", True)),
        ("RestartContainer", "sb", ("own", True)),
        ("DeleteContainer", "sb", ("own", True)),
        ("AddMount", "ss", ("own", "/srv")),
        ("RemoveMount", "ss", ("own", "/srv")),
        ("SetupUser", "suuss", ("own", *account)),
        ("ChangeOwner", "su", ("own", 0)),
        ("ChangeTrust", "ssb", ("own", "sealed", True)),
        ("ListAllContainers", "", ()),
        ("RefreshImages", "s", ("",)),
        ("ImportImage", "ss", ("/x", "x")),
        ("DeleteImage", "s", ("x",)),
        ("Enter", "sassa{ss}aha{sv}", ("", [], "/", {}, [], {})),
    ):
        refusal = await nobody.refusal(member, signature, *body)
        assert refusal.startswith(f"{NOT_AUTHORIZED}: polkit is not there"), member
        assert "Hint: Install polkit" in refusal
    assert daemon.work.calls == []


@pytest.fixture
async def admin_daemon(bus_address: str) -> AsyncIterator[Daemon]:
    """A daemon for which nobody's group is the administrators'."""
    daemon = await launch(bus_address, admin_gid=lambda: NOBODY.pw_gid)
    yield daemon
    daemon.stop.set()
    await daemon.task


async def test_members_of_the_admin_group_may_change_everything(
    admin_daemon: Daemon, become: Become
) -> None:
    """They create containers and change their own and those of others; a list shows their own."""
    admin_daemon.containers.content["own"] = container("own", owner=NOBODY.pw_uid)
    nobody = await become(NOBODY.pw_uid)
    for member, signature, body in (
        ("CreateContainer", "ssa{sv}", ("new", "x", {})),
        ("StartContainer", "s", ("own",)),
        ("StartContainer", "s", ("mine",)),
    ):
        path = str(await nobody.call(member, signature, *body))
        assert (await nobody.status(path))["Status"] == "completed"
    assert [call[0] for call in admin_daemon.work.calls] == ["create", "start", "start"]
    rows = await nobody.call("ListContainers")
    assert isinstance(rows, list)
    assert [row[0] for row in rows] == ["own"]


async def test_what_is_only_for_the_owner(admin_daemon: Daemon, become: Become) -> None:
    """Administrators enter no container of others and share no directory with it."""
    nobody = await become(NOBODY.pw_uid)
    account = (NOBODY.pw_uid, NOBODY.pw_gid, "nobody", NOBODY.pw_dir)
    for member, signature, body in (
        ("AddMount", "ss", ("mine", "/srv")),
        ("SetupUser", "suuss", ("mine", *account)),
        ("Enter", "sassa{ss}aha{sv}", ("mine", [], "/", {}, [], {})),
    ):
        refusal = await nobody.refusal(member, signature, *body)
        assert refusal.startswith(f"{NOT_AUTHORIZED}: Container 'mine' belongs to another user")
    assert admin_daemon.work.calls == []


async def test_administrators_see_all_containers(admin_daemon: Daemon, become: Become) -> None:
    """Each comes with its owner; one whose account is gone has only its uid."""
    nobody = await become(NOBODY.pw_uid)
    rows = await nobody.call("ListAllContainers")
    assert isinstance(rows, list)
    assert [(row[0], *row[5:]) for row in rows] == [("alices", "", ALICE), ("mine", "root", 0)]


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
    """For another user there is none, and it goes on; root may."""

    async def work(_: object) -> None:
        await asyncio.Event().wait()

    admin_daemon.work.work = work
    client, nobody = await connect(), await become(NOBODY.pw_uid)
    cancel: dict[str, Any] = {"interface": names.OPERATION_INTERFACE}
    of_root = await client.call("StartContainer", "s", "mine")
    refusal = await nobody.refusal("Cancel", path=of_root, **cancel)
    assert refusal.startswith("org.freedesktop.DBus.Error.UnknownObject")
    assert await client.get(of_root, "Status") == "running"
    of_nobody = str(await nobody.call("CreateContainer", "ssa{sv}", "new", "x", {}))
    assert await client.call("Cancel", path=of_nobody, **cancel) is True
    of_nobody = str(await nobody.call("CreateContainer", "ssa{sv}", "new", "x", {}))
    assert await nobody.call("Cancel", path=of_nobody, **cancel) is True


async def test_what_is_known_of_a_caller_goes_when_it_leaves(bus_address: str) -> None:
    """The memory of callers does not grow, and only the bus can tell that one has left."""
    bus = Bus(bus_address, takes_descriptors=lambda _: False)
    callers = Callers(bus)
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


async def test_calls_that_wait_are_limited(become: Become, client: Client, daemon: Daemon) -> None:
    """Who has very many, on whatever connections, is told to wait; others are answered."""
    daemon.containers.is_loaded = False  # so that calls wait
    one, other = await become(NOBODY.pw_uid), await become(NOBODY.pw_uid)
    floods = await asyncio.gather(
        one.flood("ListContainers", 100),
        other.flood("ListContainers", 100),
        client.send("ListContainers"),
    )
    *crowds, of_root = floods
    answers = Counter(answer for crowd in crowds for answer in crowd)
    assert answers == {IncusUnavailable.dbus_name: 128, Busy.dbus_name: 72}
    assert of_root is not None
    assert of_root.error_name == IncusUnavailable.dbus_name
    assert await one.flood("ListContainers", 1) == [IncusUnavailable.dbus_name]
