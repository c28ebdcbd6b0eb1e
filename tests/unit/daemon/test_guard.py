# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations do not exist for others: neither by what we answer, nor by what dbus-fast does."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from dbus_fast import DBusError, MessageFlag
from dbus_fast.introspection import Node

from kapsule import __version__, names

from .client import PROPERTIES, Client
from .conftest import NOBODY, Become, Connect, Daemon, launch
from .fakes import container

INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
UNKNOWN = "org.freedesktop.DBus.Error.UnknownObject"
PARENTS = ("/", "/org", "/org/kde", names.MANAGER_PATH, names.OPERATIONS_PATH)
# Everything that can be asked of an operation: member, interface, signature, body.
QUESTIONS: tuple[tuple[str, str, str, tuple[object, ...]], ...] = (
    ("Get", PROPERTIES, "ss", (names.OPERATION_INTERFACE, "Target")),
    ("Get", PROPERTIES, "ss", (names.OPERATION_INTERFACE, "None")),
    ("Get", PROPERTIES, "s", ("x",)),
    ("GetAll", PROPERTIES, "s", (names.OPERATION_INTERFACE,)),
    ("GetAll", PROPERTIES, "s", ("",)),
    ("GetAll", PROPERTIES, "s", (PROPERTIES,)),
    ("Set", PROPERTIES, "ssv", (names.OPERATION_INTERFACE, "Target", ("s", "x"))),
    ("Cancel", names.OPERATION_INTERFACE, "", ()),
    ("Nonsense", names.OPERATION_INTERFACE, "", ()),
    ("Introspect", INTROSPECTABLE, "", ()),
    ("GetManagedObjects", OBJECT_MANAGER, "", ()),
    ("Ping", "org.freedesktop.DBus.Peer", "", ()),
)


@pytest.fixture
async def busy(bus_address: str) -> AsyncIterator[Daemon]:
    """A daemon whose operations do not end, for which nobody is an administrator."""
    daemon = await launch(bus_address, admin_gid=lambda: NOBODY.pw_gid)
    daemon.containers.content["own"] = container("own", owner=NOBODY.pw_uid)

    async def work(_: object) -> None:
        await asyncio.Event().wait()

    daemon.work.work = work
    yield daemon
    daemon.stop.set()
    await daemon.task


async def children(client: Client, path: str) -> list[str]:
    """Return the names of the objects below a path, as the daemon introspects it."""
    xml = await client.call("Introspect", path=path, interface=INTROSPECTABLE)
    return [str(each.name) for each in Node.parse(xml).nodes]


async def test_an_operation_of_somebody_else_is_unknown(
    busy: Daemon, become: Become, connect: Connect
) -> None:
    """Each question about it has the answer of one about an operation that never was."""
    root, nobody = await connect(), await become(NOBODY.pw_uid)
    path = await root.call("StartContainer", "s", "mine")
    never = f"{names.OPERATIONS_PATH}/1"
    for member, interface, signature, body in QUESTIONS:
        answers = []
        for each in (path, never, path + "/x"):
            to: dict[str, Any] = {"path": each, "interface": interface}
            try:
                answers.append(str(await nobody.call(member, signature, *body, **to)))
            except DBusError as error:
                answers.append(f"{error.type}: {error.text}".replace(each, "PATH"))
        assert answers[0] == answers[1] == answers[2], member
        assert answers[0].startswith(UNKNOWN) or member == "Ping"
    assert await root.get(path, "Status") == "running"


async def test_ones_own_is_known_on_every_connection(
    busy: Daemon, become: Become, connect: Connect
) -> None:
    """What one terminal has started, another one may look at and cancel; so may root."""
    nobody, other, root = await become(NOBODY.pw_uid), await become(NOBODY.pw_uid), await connect()
    path = str(await nobody.call("StartContainer", "s", "own"))
    to: dict[str, Any] = {"path": path, "interface": PROPERTIES}
    assert await other.call("Get", "ss", names.OPERATION_INTERFACE, "Target", **to) == ["s", "own"]
    xml = await other.call("Introspect", path=path, interface=INTROSPECTABLE)
    assert names.OPERATION_INTERFACE in str(xml)
    assert await root.get(path, "Target") == "own"
    assert await other.call("Cancel", path=path, interface=names.OPERATION_INTERFACE) is True
    assert (await nobody.status(path))["Status"] == "cancelled"


async def test_what_is_left_of_one_is_hidden_too(
    busy: Daemon, become: Become, connect: Connect
) -> None:
    """When an operation has left the bus, its properties are still only for those whose it was."""
    root, nobody = await connect(), await become(NOBODY.pw_uid)
    path = await root.call("StartContainer", "s", "mine")
    to: dict[str, Any] = {"path": path, "interface": PROPERTIES}
    await root.get_all(path)
    await root.call("Cancel", path=path, interface=names.OPERATION_INTERFACE)
    await root.wait_for("InterfacesRemoved", path)
    refusal = await nobody.refusal("GetAll", "s", names.OPERATION_INTERFACE, **to)
    assert refusal.startswith(UNKNOWN)
    assert (await root.get_all(path))["Target"] == "mine"


async def test_nobody_sees_whether_anything_runs(
    busy: Daemon, become: Become, connect: Connect
) -> None:
    """Introspection is the same whether or not there are operations, to root as well."""
    root = await connect()
    before = [await children(root, path) for path in PARENTS]
    assert before == [["org"], ["kde"], ["kapsule"], ["operations"], []]
    await root.call("StartContainer", "s", "mine")
    assert [await children(root, path) for path in PARENTS] == before


async def test_managed_objects_are_ones_own(busy: Daemon, become: Become, connect: Connect) -> None:
    """Everybody gets the Manager and their own operations; root gets all."""
    root, nobody = await connect(), await become(NOBODY.pw_uid)
    of_root = await root.call("StartContainer", "s", "mine")
    of_nobody = str(await nobody.call("StartContainer", "s", "own"))
    for path, with_manager in (("/", True), ("/org", True), (names.OPERATIONS_PATH, False)):
        to: dict[str, Any] = {"path": path, "interface": OBJECT_MANAGER}
        manager = {names.MANAGER_PATH} if with_manager else set()
        seen = await nobody.call("GetManagedObjects", **to)
        assert isinstance(seen, dict)
        assert set(seen) == {of_nobody} | manager
        assert set(await root.call("GetManagedObjects", **to)) == {of_root, of_nobody} | manager
    assert isinstance(seen, dict)
    assert seen[of_nobody][names.OPERATION_INTERFACE]["Target"] == ["s", "own"]
    everything = await root.call("GetManagedObjects", path="/", interface=OBJECT_MANAGER)
    version = everything[names.MANAGER_PATH][names.MANAGER_INTERFACE]["Version"]
    assert version.value == __version__


async def test_lists_are_ones_own(busy: Daemon, become: Become, connect: Connect) -> None:
    """ListOperations does not tell of those of others, not even administrators."""
    root, nobody = await connect(), await become(NOBODY.pw_uid)
    of_root = await root.call("StartContainer", "s", "mine")
    of_nobody = await nobody.call("StartContainer", "s", "own")
    assert await nobody.call("ListOperations") == [of_nobody]
    assert set(await root.call("ListOperations")) == {of_root, of_nobody}


async def test_calls_that_want_no_answer_get_none(busy: Daemon, connect: Connect) -> None:
    """The guard does not answer what nobody asked, and the bus does not end our connection."""
    root = await connect()
    for path in (f"{names.OPERATIONS_PATH}/1", names.OPERATIONS_PATH, "/"):
        for member, interface in (
            ("Introspect", INTROSPECTABLE),
            ("GetManagedObjects", OBJECT_MANAGER),
        ):
            await root.send(
                member, path=path, interface=interface, flags=MessageFlag.NO_REPLY_EXPECTED
            )
    assert await root.call("ListContainers")
