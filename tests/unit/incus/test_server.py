# SPDX-License-Identifier: GPL-3.0-or-later
from kapsule.incus import server
from kapsule.incus.client import IncusClient
from kapsule.incus.types import Profile, StoragePool
from kapsule.incus.urls import path
from kapsule.testing.fake_incus import FakeIncus, sync


async def test_server(client: IncusClient, incus: FakeIncus) -> None:
    """The server tells its version."""
    incus.on("GET", "/1.0", sync({"environment": {"server_version": "6.0.4"}, "config": {}}))
    assert (await server.get_server(client)).environment.server_version == "6.0.4"


async def test_pools(client: IncusClient, incus: FakeIncus) -> None:
    """Pools are listed and made."""
    pools = path("storage-pools")
    incus.on("GET", pools, sync([{"name": "default", "driver": "dir", "status": "Created"}]))
    incus.on("POST", pools, sync({}))
    assert await server.list_pools(client) == [StoragePool(name="default")]
    await server.create_pool(client, "kapsule", "btrfs", {"size": "15GiB"})
    assert incus.seen[1].body == {"name": "kapsule", "driver": "btrfs", "config": {"size": "15GiB"}}


async def test_profile(client: IncusClient, incus: FakeIncus) -> None:
    """A profile is read by name."""
    profile = {"name": "default", "devices": {"root": {"pool": "default"}}}
    expected = Profile(name="default", devices={"root": {"pool": "default"}})
    incus.on("GET", path("profiles", "default"), sync(profile))
    assert await server.get_profile(client, "default") == expected
