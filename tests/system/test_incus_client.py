# SPDX-License-Identifier: GPL-3.0-or-later
"""The Incus client against a real Incus."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

from kapsule.errors import IncusError
from kapsule.incus import images, instances, operations, server
from kapsule.incus.client import IncusClient
from kapsule.incus.errors import (
    IncusConflict,
    IncusNotFound,
    IncusOperationLost,
    IncusPreconditionFailed,
)
from kapsule.incus.events import OPENED, follow_events
from kapsule.incus.types import ImageSource, InstanceRequest, InstanceUpdate
from kapsule.incus.urls import path
from tests.system.support.users import incus

pytestmark = pytest.mark.main

PRIVILEGED = {"security.privileged": "true", "security.nesting": "true"}


@pytest.fixture
async def client() -> AsyncIterator[IncusClient]:
    """A client of the box's Incus."""
    client = IncusClient()
    yield client
    await client.close()


@pytest.fixture
async def actions(client: IncusClient, fresh_name: str) -> AsyncIterator[list[str]]:
    """What Incus's event stream says about the instance with the fresh name, as it comes."""
    seen: list[str] = []
    is_open = asyncio.Event()

    async def follow() -> None:
        async for event in follow_events(client):
            if event is OPENED:
                is_open.set()
            elif event.metadata.name == fresh_name:
                seen.append(event.metadata.action)

    task = asyncio.create_task(follow())
    await is_open.wait()
    yield seen
    task.cancel()


async def until(condition: Callable[[], bool]) -> None:
    """Return once the condition holds; fail after half a minute."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.05)


def new(name: str, image: str = "busybox", **changes: object) -> InstanceRequest:
    """A request for an instance without a network."""
    request = InstanceRequest(
        name=name,
        source=ImageSource(alias=image),
        devices={"root": {"type": "disk", "path": "/", "pool": "default"}},
    )
    return msgspec.structs.replace(request, **changes)


async def status(client: IncusClient, name: str) -> str:
    """Return Incus's word for what the instance is doing."""
    return (await instances.get_instance(client, name)).status


async def test_the_life_of_an_instance(
    client: IncusClient, fresh_name: str, actions: list[str]
) -> None:
    """Create, freeze, thaw, stop, start and delete, each done when its call returns."""
    name = fresh_name
    request = new(name, "debian", config={**PRIVILEGED, "user.note": "ü"}, start=True)
    await instances.create_instance(client, request)
    instance = await instances.get_instance(client, name)
    assert instance.status == "Running"
    assert instance.type == "container"
    assert instance.config["user.note"] == "ü"
    assert instance.created_at
    assert (await instances.get_state(client, name)).pid > 0
    assert name in [each.name for each in await instances.list_instances(client)]
    incus("exec", name, "--", "sh", "-c", "until [ -S /run/systemd/private ]; do sleep 0.1; done")
    await instances.set_state(client, name, "freeze")
    assert await status(client, name) == "Frozen"
    await instances.set_state(client, name, "unfreeze")
    assert await status(client, name) == "Running"
    await instances.set_state(client, name, "stop", timeout=60)
    assert await status(client, name) == "Stopped"
    assert (await instances.get_state(client, name)).pid == 0
    await instances.set_state(client, name, "start")
    await instances.set_state(client, name, "stop", force=True)
    await instances.delete_instance(client, name)
    with pytest.raises(IncusNotFound):
        await instances.get_instance(client, name)
    await until(lambda: actions[-1:] == ["instance-deleted"])
    assert [action for action in actions if action != "instance-exec"] == [
        "instance-created",
        "instance-started",
        "instance-paused",
        "instance-resumed",
        "instance-shutdown",
        "instance-started",
        "instance-paused",  # a forced stop freezes first
        "instance-stopped",
        "instance-deleted",
    ]


async def test_a_guest_that_powers_off_is_an_event(
    client: IncusClient, fresh_name: str, actions: list[str]
) -> None:
    """Incus tells when a guest ends by itself."""
    await instances.create_instance(client, new(fresh_name, start=True))
    incus("exec", fresh_name, "--", "poweroff", "-f", check=False)
    await until(lambda: "instance-shutdown" in actions)
    assert await status(client, fresh_name) == "Stopped"


async def test_two_writers_lose_nothing(client: IncusClient, fresh_name: str) -> None:
    """Changes of two writers at the same time are all there in the end."""
    await instances.create_instance(client, new(fresh_name))

    async def write(writer: str) -> None:
        for number in range(10):
            await instances.patch_config(client, fresh_name, {f"user.{writer}{number}": "x"})
            device = {"type": "disk", "source": "/etc", "path": f"/mnt/{writer}{number}"}
            await instances.add_devices(client, fresh_name, {f"{writer}{number}": device})

    await asyncio.gather(write("a"), write("b"))
    instance = await instances.get_instance(client, fresh_name)
    expected = {f"{writer}{number}" for writer in "ab" for number in range(10)}
    assert {key.removeprefix("user.") for key in instance.config if "user." in key} == expected
    assert set(instance.devices) == {"root"} | expected


async def test_an_outdated_version_is_refused(client: IncusClient, fresh_name: str) -> None:
    """A write that is based on what is no longer so does not happen."""
    await instances.create_instance(client, new(fresh_name))
    url = path("instances", fresh_name)
    current, etag = await client.get_with_etag(url, InstanceUpdate)
    await instances.patch_config(client, fresh_name, {"user.theirs": "x"})
    with pytest.raises(IncusPreconditionFailed):
        await operations.run(client, "PUT", url, body=current, etag=etag)


async def test_a_failed_change_changes_nothing(client: IncusClient, fresh_name: str) -> None:
    """What Incus refuses comes back in its words, and the instance is as it was."""
    await instances.create_instance(client, new(fresh_name))
    before = await instances.get_instance(client, fresh_name)
    with pytest.raises(IncusError, match="Unknown configuration key"):
        await instances.patch_config(client, fresh_name, {"no.such.key": "x"})
    device = {"type": "disk", "source": "/no/such", "path": "/mnt"}
    with pytest.raises(IncusError, match="Missing source path"):
        await instances.add_devices(client, fresh_name, {"bad": device})
    assert await instances.get_instance(client, fresh_name) == before


async def test_a_taken_name(client: IncusClient, fresh_name: str) -> None:
    """Of many who want one name one gets it; the others are told that it is taken."""
    wishes = [instances.create_instance(client, new(fresh_name)) for _ in range(4)]
    outcomes = await asyncio.gather(*wishes, return_exceptions=True)
    assert outcomes.count(None) == 1
    assert [type(each) for each in outcomes if each] == [IncusConflict] * 3
    with pytest.raises(IncusConflict):
        await instances.create_instance(client, new(fresh_name))


async def test_a_name_reaches_nothing_else(client: IncusClient) -> None:
    """A name that looks like a path or a query is only a name."""
    fingerprint = await images.get_alias(client, "busybox")
    for name in (f"../images/{fingerprint}", "x?project=other", "x/snapshots/s", "x#y"):
        with pytest.raises(IncusError):
            await instances.delete_instance(client, name)
    assert (await images.get_image(client, fingerprint)).fingerprint == fingerprint


async def test_a_stop_that_is_cancelled(client: IncusClient, fresh_name: str) -> None:
    """Incus does not cancel a stop, so the task ends when the stop has ended, and no sooner."""
    await instances.create_instance(client, new(fresh_name, "hung", start=True))
    task = asyncio.create_task(instances.set_state(client, fresh_name, "stop", timeout=3))
    await until_busy(client, fresh_name)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await running_operations(client, fresh_name) == []
    assert await status(client, fresh_name) == "Running"


async def running_operations(client: IncusClient, name: str) -> list[str]:
    """Return the descriptions of what Incus is doing with the instance."""
    reply = await client.request("GET", path("operations"), query={"recursion": "1"})
    by_status = msgspec.convert(reply.metadata, dict[str, list[dict[str, object]]])
    return [
        str(each["description"])
        for each in by_status.get("running", [])
        if f"/1.0/instances/{name}" in str(each["resources"])
    ]


async def until_busy(client: IncusClient, name: str) -> None:
    """Return once Incus does something with the instance; fail after half a minute."""
    async with asyncio.timeout(30):
        while True:
            if await running_operations(client, name):
                return
            await asyncio.sleep(0.05)


async def test_incus_dies_during_an_operation(client: IncusClient, fresh_name: str) -> None:
    """What it was doing is lost, and said to be; the next request finds the new Incus."""
    await instances.create_instance(client, new(fresh_name, "hung", start=True))
    task = asyncio.create_task(instances.set_state(client, fresh_name, "stop", timeout=60))
    await until_busy(client, fresh_name)
    await run("systemctl", "kill", "--signal=KILL", "incus.service")
    with pytest.raises(IncusOperationLost):
        await task
    assert await status(client, fresh_name) == "Running"


async def run(*command: str) -> None:
    """Run a command on the host."""
    process = await asyncio.create_subprocess_exec(*command)
    assert await process.wait() == 0


async def test_host_network(client: IncusClient, fresh_name: str) -> None:
    """One of the two ways into the host's network is accepted; 6.0 says which is not."""
    version = (await server.get_server(client)).environment.server_version
    config = {**PRIVILEGED, "raw.lxc": "lxc.net.0.type=none\n"}
    request = new(fresh_name, config=config, start=True)
    if version.startswith("6.0."):
        refusal = "Only interface-specific ipv4/ipv6 lxc.net. keys are allowed"
        with pytest.raises(IncusError, match=refusal):
            await instances.create_instance(client, request)
        config["raw.lxc"] = "lxc.namespace.share.net=/proc/1/ns/net\n"
    await instances.create_instance(client, request)
    pid = (await instances.get_state(client, fresh_name)).pid
    assert os.readlink(f"/proc/{pid}/ns/net") == os.readlink("/proc/1/ns/net")


async def test_pools_and_profiles(client: IncusClient) -> None:
    """The default profile names a pool that exists; a taken pool name is a conflict."""
    profile = await server.get_profile(client, "default")
    pool = profile.devices["root"]["pool"]
    assert pool in [each.name for each in await server.list_pools(client)]
    with pytest.raises(IncusConflict):
        await server.create_pool(client, pool, "dir", {})
