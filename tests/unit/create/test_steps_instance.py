# SPDX-License-Identifier: GPL-3.0-or-later
import asyncio
from dataclasses import replace

import pytest

from kapsule.create import host_network
from kapsule.create.instance_config import NO_NETWORK_OF_ITS_OWN, build_config
from kapsule.create.pipeline import CREATE
from kapsule.create.request import CreateContext
from kapsule.create.steps_instance import choose_storage_pool, create_and_start, ensure_storage_pool
from kapsule.errors import AlreadyExists, IncusError
from kapsule.host import network_namespace
from kapsule.options.table import CREATE_OPTIONS
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
from kapsule.testing.recording_progress import RecordingProgress

INSTANCES = "/1.0/instances"
POOLS = "/1.0/storage-pools"
PROFILE = "/1.0/profiles/default"
DEV = "/1.0/instances/dev"
REFUSAL = operation(FAILURE, "Only interface-specific ipv4/ipv6 lxc.net. keys are allowed")


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, context: CreateContext) -> None:
    monkeypatch.setattr(host_network, "_refusing", set())
    context.server_version = "6.0.4"
    context.options = {option.key: option.default for option in CREATE_OPTIONS.options}
    owner = context.request.owner
    config = build_config(context.options, owner, NO_NETWORK_OF_ITS_OWN)
    context.config = config | {"user.kapsule.owner": str(owner.uid)}


def _script(incus: FakeIncus) -> None:
    incus.on("POST", INSTANCES, background())


async def test_first_creations_at_once(context: CreateContext, incus: FakeIncus) -> None:
    """One of them makes the storage pool; the other one waits, and finds it."""
    context.pool, context.pool_is_missing = "default", True
    incus.on("GET", POOLS, sync([]), sync([{"name": "default"}]))
    incus.on("POST", POOLS, error(400, "no btrfs here"), sync(None))
    await asyncio.gather(*(ensure_storage_pool(each) for each in (context, replace(context))))
    assert [request.method for request in incus.seen] == ["GET", "POST", "POST", "GET"]


async def test_a_pool_that_is_being_made(context: CreateContext, incus: FakeIncus) -> None:
    """Who comes next waits until it can be used."""
    context.pool, context.pool_is_missing = "default", True
    later = replace(context)
    incus.on("GET", POOLS, sync([]), sync([{"name": "default"}]))
    incus.on("POST", POOLS, sync(None))
    await asyncio.gather(ensure_storage_pool(context), choose_storage_pool(later))
    assert [request.path for request in incus.seen] == [POOLS, POOLS, PROFILE, POOLS]
    assert not later.pool_is_missing


async def test_a_pool_that_somebody_else_makes(
    context: CreateContext, incus: FakeIncus, progress: RecordingProgress
) -> None:
    """Is as good as one of ours."""
    context.pool, context.pool_is_missing = "default", True
    incus.on("GET", POOLS, sync([]))
    incus.on("POST", POOLS, error(409, "The storage pool already exists"))
    await ensure_storage_pool(context)
    assert incus.count("POST", POOLS) == 1
    assert progress.messages == []


async def test_one_request(context: CreateContext, incus: FakeIncus) -> None:
    """One request makes and starts the instance."""
    _script(incus)
    incus.on("GET", WAIT_PATH, operation(SUCCESS))
    await create_and_start(context)
    (post,) = (seen for seen in incus.seen if seen.method == "POST")
    assert post.body["start"] is True
    assert post.body["profiles"] == []
    assert post.body["config"] == context.config
    assert context.is_created


@pytest.mark.parametrize("seen_by_others", [set(), {"6.0.4"}])
async def test_incus_that_refuses_the_network(
    context: CreateContext,
    incus: FakeIncus,
    monkeypatch: pytest.MonkeyPatch,
    seen_by_others: set[str],
) -> None:
    """An Incus that refuses the shorter way gets the other one, and is not asked in vain again.

    So it is where another creation at the same time has been refused already.
    """
    host_network._refusing.update(seen_by_others)

    async def file() -> str:
        return "/proc/1/ns/net"

    monkeypatch.setattr(network_namespace, "choose_file", file)
    _script(incus)
    incus.on("GET", WAIT_PATH, REFUSAL, operation(SUCCESS))
    await create_and_start(context)
    first, second = (seen.body["config"] for seen in incus.seen if seen.method == "POST")
    assert first["raw.lxc"].startswith("lxc.net.0.type=none\n")
    assert second["raw.lxc"].startswith("lxc.namespace.share.net=/proc/1/ns/net\n")
    assert second["user.kapsule.owner"] == "1000"
    assert "share.net" in await host_network.network_line("6.0.4")
    assert "share.net" not in await host_network.network_line("7.0.2")


async def test_other_refusals(context: CreateContext, incus: FakeIncus) -> None:
    """Any other refusal is final."""
    _script(incus)
    incus.on("GET", WAIT_PATH, operation(FAILURE, "No space left on device"))
    with pytest.raises(IncusError, match="No space left on device"):
        await create_and_start(context)
    assert incus.count("POST", INSTANCES) == 1
    assert not context.is_created


async def test_name_that_was_taken_meanwhile(context: CreateContext, incus: FakeIncus) -> None:
    """A failure whose reason is that somebody took the name says so."""
    incus.on("POST", INSTANCES, error(400, 'Instance "dev" already exists'))
    with pytest.raises(AlreadyExists, match="already exists"):
        await create_and_start(context)


async def _undo(context: CreateContext) -> None:
    (step,) = (step for step in CREATE.steps if step.name == "create_and_start")
    assert step.undo
    await step.undo(context)


@pytest.mark.parametrize(
    ("config", "removed"),
    [
        ({}, False),
        ({"user.kapsule.owner": "1001", "user.kapsule.setup-state": "creating"}, False),
        ({"user.kapsule.owner": "1000", "user.kapsule.setup-state": "done"}, False),
        ({"user.kapsule.owner": "1000", "user.kapsule.setup-state": "creating"}, True),
    ],
)
async def test_undo_of_what_failed(
    context: CreateContext, incus: FakeIncus, config: dict[str, str], removed: bool
) -> None:
    """After a failed request only what it can have left is removed, never another's instance."""
    incus.on("GET", DEV, sync({"name": "dev", "config": config}))
    incus.on("PUT", DEV + "/state", background())
    incus.on("DELETE", DEV, background())
    incus.on("GET", WAIT_PATH, operation(SUCCESS))
    await _undo(context)
    assert incus.count("DELETE", DEV) == int(removed)


async def test_undo_when_nothing_was_made(context: CreateContext, incus: FakeIncus) -> None:
    """Where there is no instance, there is nothing to remove."""
    await _undo(context)
    assert incus.count("DELETE", DEV) == 0
