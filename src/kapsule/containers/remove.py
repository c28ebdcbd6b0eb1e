# SPDX-License-Identifier: GPL-3.0-or-later
"""Take an instance away, whatever state it is in."""

import contextlib

from kapsule.errors import IncusError, IncusUnavailable
from kapsule.incus import instances
from kapsule.incus.client import IncusClient
from kapsule.incus.errors import IncusNotFound


async def remove_instance(client: IncusClient, name: str) -> None:
    """Kill and delete an instance; one that is not there is no error.

    Raises IncusError when Incus does not delete it.
    """
    with contextlib.suppress(IncusNotFound):
        await _kill(client, name)
        await instances.delete_instance(client, name)


async def _kill(client: IncusClient, name: str) -> None:
    """Stop it by force. It may have stopped, or never started: then deleting it will do."""
    if (await instances.get_state(client, name)).pid == 0:
        return
    try:
        await instances.set_state(client, name, "stop", force=True)
    except (IncusNotFound, IncusUnavailable):
        raise
    except IncusError:
        if (await instances.get_state(client, name)).pid != 0:
            raise
