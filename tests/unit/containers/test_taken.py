# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from kapsule.containers.taken import is_taken
from kapsule.incus.client import IncusClient
from kapsule.testing.fake_incus import FakeIncus, sync


@pytest.mark.parametrize(
    ("kind", "config", "taken"),
    [
        ("container", {"user.kapsule.owner": "1000"}, False),
        ("container", {"user.kapsule.owner": "1001"}, True),
        ("container", {}, True),
        ("virtual-machine", {"user.kapsule.owner": "1000"}, True),
    ],
)
async def test_a_name_that_is_there(
    client: IncusClient, incus: FakeIncus, kind: str, config: dict[str, str], taken: bool
) -> None:
    """A name is taken by whatever Incus has under it, but for the user's own container."""
    incus.on("GET", "/1.0/instances/dev", sync({"name": "dev", "type": kind, "config": config}))
    assert await is_taken(client, "dev", 1000) is taken


async def test_a_name_that_nobody_has(client: IncusClient, incus: FakeIncus) -> None:
    """What Incus does not know is free."""
    assert not await is_taken(client, "dev", 1000)
    assert incus.count("GET", "/1.0/instances/dev") == 1
