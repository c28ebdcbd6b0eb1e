# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a name is free, of which also what is not a container of ours may know."""

from kapsule.containers.from_instance import container_from_instance
from kapsule.incus import instances
from kapsule.incus.client import IncusClient
from kapsule.incus.errors import IncusNotFound


async def is_taken(incus: IncusClient, name: str, uid: int) -> bool:
    """Say whether Incus has an instance of that name that is not the user's container.

    uid: the user's. Raises IncusError when Incus does not answer.
    """
    try:
        found = await instances.get_instance(incus, name)
    except IncusNotFound:
        return False
    container = container_from_instance(found)
    return container is None or container.owner != uid
