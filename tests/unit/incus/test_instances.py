# SPDX-License-Identifier: GPL-3.0-or-later
from datetime import UTC, datetime

import pytest

from kapsule.errors import IncusError
from kapsule.incus import instances
from kapsule.incus.client import IncusClient
from kapsule.incus.errors import IncusConflict, IncusPreconditionFailed
from kapsule.incus.types import ImageSource, Instance, InstanceRequest, InstanceState
from kapsule.incus.urls import path
from kapsule.testing.fake_incus import (
    FAILURE,
    SUCCESS,
    WAIT_PATH,
    FakeIncus,
    background,
    error,
    operation,
    sync,
)

ALL = path("instances")
DEV = path("instances", "dev")
STATE = path("instances", "dev", "state")

WRITABLE = {
    "architecture": "x86_64",
    "config": {"user.a": "1"},
    "devices": {"root": {"type": "disk"}},
    "ephemeral": False,
    "profiles": ["p"],
    "stateful": False,
    "description": "d",
}


def updatable(incus: FakeIncus, method: str = "PUT") -> None:
    """Let the instance be read, and a change of it succeed."""
    incus.on("GET", DEV, sync(WRITABLE, etag="v1"))
    incus.on(method, DEV, background())
    incus.on("GET", WAIT_PATH, operation(SUCCESS))


async def test_list_is_one_request(client: IncusClient, incus: FakeIncus) -> None:
    """All instances come with their configuration in one reply."""
    entry = {
        "name": "dev",
        "status": "Running",
        "type": "container",
        "created_at": "2026-02-11T06:31:22.123456789Z",
        "profiles": ["default"],
    }
    incus.on("GET", ALL, sync([entry, {"name": "vm", "type": "virtual-machine"}]))
    listed = await instances.list_instances(client)
    assert listed == [
        Instance(
            name="dev",
            status="Running",
            profiles=("default",),
            created_at=datetime(2026, 2, 11, 6, 31, 22, 123457, UTC),
        ),
        Instance(name="vm", type="virtual-machine"),
    ]
    assert len(incus.seen) == 1


async def test_state(client: IncusClient, incus: FakeIncus) -> None:
    """A stopped instance has no init."""
    incus.on("GET", STATE, sync({"status": "Stopped", "pid": 0, "disk": None}))
    assert await instances.get_state(client, "dev") == InstanceState(status="Stopped", pid=0)


async def test_create_is_one_post(client: IncusClient, incus: FakeIncus) -> None:
    """The whole instance is in one request, the kind of source always named."""
    incus.on("POST", ALL, background())
    incus.on("GET", WAIT_PATH, operation(SUCCESS))
    request = InstanceRequest(
        name="dev", source=ImageSource(fingerprint="f"), config={"a": "b"}, start=True
    )
    await instances.create_instance(client, request)
    assert incus.seen[0].body == {
        "name": "dev",
        "type": "container",
        "source": {"type": "image", "fingerprint": "f"},
        "config": {"a": "b"},
        "devices": {},
        "profiles": [],
        "start": True,
    }


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (
            "Failed creating instance record: Add instance info to the database: Failed to create "
            '"instances" entry: UNIQUE constraint failed: instances.project_id, instances.name',
            IncusConflict,
        ),
        (
            'Failed creating instance record: Instance is busy running a "create" operation',
            IncusConflict,
        ),
        ("Failed creating instance record: Unknown configuration key: foo", IncusError),
        ('Failed to start device "x": Instance "x" already exists', IncusError),
    ],
)
async def test_a_taken_name_is_told_from_other_failures(
    client: IncusClient, incus: FakeIncus, words: str, kind: type[IncusError]
) -> None:
    """Only where nothing was created it is a conflict; else there may be something to undo."""
    incus.on("POST", ALL, background())
    incus.on("GET", WAIT_PATH, operation(FAILURE, words))
    request = InstanceRequest(name="dev", source=ImageSource(fingerprint="f"))
    with pytest.raises(IncusError) as caught:
        await instances.create_instance(client, request)
    assert type(caught.value) is kind


async def test_a_taken_name_may_be_refused_at_once(client: IncusClient, incus: FakeIncus) -> None:
    """Newer versions refuse the request itself, as an error of their own."""
    incus.on("POST", ALL, error(500, 'Instance "dev" already exists'))
    request = InstanceRequest(name="dev", source=ImageSource(fingerprint="f"))
    with pytest.raises(IncusConflict):
        await instances.create_instance(client, request)


async def test_set_state(client: IncusClient, incus: FakeIncus) -> None:
    """Action, force and the guest's deadline are always said."""
    incus.on("PUT", STATE, background())
    incus.on("GET", WAIT_PATH, operation(SUCCESS))
    await instances.set_state(client, "dev", "stop", timeout=20)
    assert incus.seen[0].body == {"action": "stop", "force": False, "timeout": 20}


async def test_patch_config_keeps_the_rest(client: IncusClient, incus: FakeIncus) -> None:
    """Keys are set and removed; whatever else can be written goes back as it was read."""
    updatable(incus)
    await instances.patch_config(client, "dev", {"user.a": None, "user.b": "2"})
    put = incus.seen[1]
    assert put.body == {**WRITABLE, "config": {"user.b": "2"}}
    assert put.headers["If-Match"] == "v1"


async def test_devices_are_added(client: IncusClient, incus: FakeIncus) -> None:
    """Devices come by name, the others stay."""
    updatable(incus)
    await instances.add_devices(client, "dev", {"home": {"type": "disk", "path": "/home"}})
    assert incus.seen[1].body["devices"] == {
        "root": {"type": "disk"},
        "home": {"type": "disk", "path": "/home"},
    }


async def test_no_change_writes_nothing(client: IncusClient, incus: FakeIncus) -> None:
    """What is so already is not written again."""
    updatable(incus)
    await instances.patch_config(client, "dev", {"user.a": "1", "user.absent": None})
    assert incus.count("PUT", DEV) == 0


async def test_a_lost_race_is_run_again_on_fresh_data(
    client: IncusClient, incus: FakeIncus
) -> None:
    """When another writer was faster, its change is read and kept."""
    updatable(incus)
    theirs = {**WRITABLE, "config": {"user.a": "1", "user.theirs": "x"}}
    incus.on("GET", DEV, sync(WRITABLE, etag="v1"), sync(theirs, etag="v2"))
    incus.on("PUT", DEV, error(412, "ETag doesn't match"), background())
    await instances.patch_config(client, "dev", {"user.ours": "y"})
    puts = [each for each in incus.seen if each.method == "PUT"]
    assert [put.headers["If-Match"] for put in puts] == ["v1", "v2"]
    assert puts[-1].body["config"] == {"user.a": "1", "user.theirs": "x", "user.ours": "y"}


async def test_a_race_that_is_always_lost_ends(client: IncusClient, incus: FakeIncus) -> None:
    """After some attempts the loser says so."""
    updatable(incus)
    incus.on("PUT", DEV, error(412, "ETag doesn't match"))
    with pytest.raises(IncusPreconditionFailed, match="kept changing"):
        await instances.patch_config(client, "dev", {"user.ours": "y"})
    assert incus.count("PUT", DEV) == 10


async def test_an_instance_that_incus_is_busy_with_is_waited_for(
    client: IncusClient, incus: FakeIncus
) -> None:
    """After a start that failed, Incus still clears away for a moment."""
    updatable(incus)
    busy = 'Failed to create instance update operation: Instance is busy running a "stop" operation'
    incus.on("PUT", DEV, error(500, busy), background())
    await instances.patch_config(client, "dev", {"user.b": "2"})
    assert [seen.method for seen in incus.seen].count("PUT") == 2
