# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls on the server itself, its storage pools and its profiles."""

from collections.abc import Mapping

from kapsule.incus.client import IncusClient
from kapsule.incus.types import Profile, Server, StoragePool
from kapsule.incus.urls import path


async def get_server(client: IncusClient) -> Server:
    """Return what the server says of itself."""
    return await client.get(path(), Server)


async def list_pools(client: IncusClient) -> list[StoragePool]:
    """Return all storage pools."""
    return await client.get_list(path("storage-pools"), StoragePool)


async def create_pool(
    client: IncusClient, name: str, driver: str, config: Mapping[str, str]
) -> None:
    """Create a storage pool.

    driver: such as `dir` or `btrfs`. config: its options, such as `size` and `source`.
    Raises IncusConflict when the name is taken, IncusError when the driver cannot do it here.
    """
    body = {"name": name, "driver": driver, "config": config}
    await client.request("POST", path("storage-pools"), body=body)


async def get_profile(client: IncusClient, name: str) -> Profile:
    """Return one profile. Raises IncusNotFound."""
    return await client.get(path("profiles", name), Profile)
