# SPDX-License-Identifier: GPL-3.0-or-later
"""The storage pool that new containers go to."""

import logging
from collections.abc import Mapping

from kapsule.errors import IncusError, IncusUnavailable
from kapsule.incus import server
from kapsule.incus.client import IncusClient
from kapsule.incus.errors import IncusConflict, IncusNotFound

_NAME = "default"
# The best first: a subvolume where Incus's own directory is on btrfs, a file with a file system
# in it, plain directories. btrfs makes a copy of an image in no time.
_ATTEMPTS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("btrfs", {"source": f"/var/lib/incus/storage-pools/{_NAME}"}),
    ("btrfs", {}),
    ("dir", {}),
)

log = logging.getLogger(__name__)


async def choose_pool(client: IncusClient) -> tuple[str, bool]:
    """Return the name of the pool to use, and whether it has to be made.

    It is the one that the default profile has its root disk in. Raises IncusError.
    """
    try:
        profile = await server.get_profile(client, "default")
    except IncusNotFound:
        pass
    else:
        for device in profile.devices.values():
            if device.get("type") == "disk" and device.get("path") == "/" and device.get("pool"):
                return device["pool"], False
    return _NAME, await _is_missing(client, _NAME)


async def make_missing(client: IncusClient, name: str) -> str:
    """Create a pool, unless somebody else has in the meantime; return its driver, "" if they did.

    One at a time: a kind that turns out to be impossible has the name, too, until it has failed.
    Raises IncusError.
    """
    if not await _is_missing(client, name):
        return ""
    try:
        return await create_pool(client, name)
    except IncusConflict:  # somebody else was faster
        return ""


async def create_pool(client: IncusClient, name: str) -> str:
    """Create a pool of the best kind that is possible here; return its driver.

    Raises IncusError when not even plain directories can be used.
    """
    for driver, config in _ATTEMPTS[:-1]:
        try:
            await server.create_pool(client, name, driver, config)
            return driver
        except (IncusUnavailable, IncusConflict):
            raise
        except IncusError as error:
            log.info("No %s pool %s: %s", driver, dict(config), error.message)
    driver, config = _ATTEMPTS[-1]
    await server.create_pool(client, name, driver, config)
    return driver


async def _is_missing(client: IncusClient, name: str) -> bool:
    return all(pool.name != name for pool in await server.list_pools(client))
