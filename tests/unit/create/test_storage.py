# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from kapsule.create.storage import choose_pool, create_pool
from kapsule.errors import IncusError, IncusUnavailable
from kapsule.incus.client import IncusClient
from kapsule.incus.errors import IncusConflict
from kapsule.testing.fake_incus import FakeIncus, error, sync

PROFILE = "/1.0/profiles/default"
POOLS = "/1.0/storage-pools"

_ROOT = {"type": "disk", "path": "/", "pool": "fast"}
_DATA = {"type": "disk", "path": "/data", "pool": "slow"}
_NIC = {"type": "nic", "network": "incusbr0"}


def _profile(**devices: object) -> dict[str, object]:
    return {"name": "default", "devices": devices}


async def test_pool_of_the_default_profile(client: IncusClient, incus: FakeIncus) -> None:
    """The pool that the default profile has its root disk in is used, whatever else it names."""
    incus.on("GET", PROFILE, sync(_profile(eth0=_NIC, data=_DATA, disk=_ROOT)))
    assert await choose_pool(client) == ("fast", False)


async def test_pool_by_name(client: IncusClient, incus: FakeIncus) -> None:
    """Without a root disk in the profile, a pool that is called default is used."""
    incus.on("GET", PROFILE, sync(_profile(eth0=_NIC, data=_DATA)))
    incus.on("GET", POOLS, sync([{"name": "other"}, {"name": "default"}]))
    assert await choose_pool(client) == ("default", False)


async def test_no_pool(client: IncusClient, incus: FakeIncus) -> None:
    """Without either, one has to be made."""
    incus.on("GET", POOLS, sync([]))
    assert await choose_pool(client) == ("default", True)


async def test_best_kind_first(client: IncusClient, incus: FakeIncus) -> None:
    """Where Incus's directory is on btrfs, the pool is a subvolume of it."""
    incus.on("POST", POOLS, sync(None))
    assert await create_pool(client, "default") == "btrfs"
    (request,) = incus.seen
    assert request.body["config"] == {"source": "/var/lib/incus/storage-pools/default"}


async def test_plain_directories_at_last(client: IncusClient, incus: FakeIncus) -> None:
    """Where btrfs is impossible, directories will do."""
    no = error(400, "no btrfs here")
    incus.on("POST", POOLS, no, no, sync(None))
    assert await create_pool(client, "default") == "dir"
    assert [request.body["driver"] for request in incus.seen] == ["btrfs", "btrfs", "dir"]


async def test_nothing_works(client: IncusClient, incus: FakeIncus) -> None:
    """The last reason comes through."""
    incus.on("POST", POOLS, error(400, "no"), error(400, "no"), error(400, "No space left"))
    with pytest.raises(IncusError, match="No space left"):
        await create_pool(client, "default")


@pytest.mark.parametrize(("code", "kind"), [(409, IncusConflict), (503, IncusUnavailable)])
async def test_what_another_kind_does_not_help(
    client: IncusClient, incus: FakeIncus, code: int, kind: type[IncusError]
) -> None:
    """A name that is taken, and an Incus that is gone, end the attempts."""
    incus.on("POST", POOLS, error(code, "no"))
    with pytest.raises(kind):
        await create_pool(client, "default")
    assert incus.count("POST", POOLS) == 1
