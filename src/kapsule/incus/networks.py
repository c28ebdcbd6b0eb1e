# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls on networks."""

from collections.abc import Mapping

from kapsule.incus.client import IncusClient
from kapsule.incus.types import Network
from kapsule.incus.urls import path


async def get_network(client: IncusClient, name: str) -> Network:
    """Return one network. Raises IncusNotFound."""
    return await client.get(path("networks", name), Network)


async def create_bridge(
    client: IncusClient, name: str, config: Mapping[str, str], description: str
) -> None:
    """Create a bridge that Incus manages, and its interface of the same name.

    Raises IncusConflict when the name is taken, IncusError when it cannot be had here.
    """
    body = {"name": name, "type": "bridge", "config": config, "description": description}
    await client.request("POST", path("networks"), body=body)
