# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls on instances."""

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from kapsule.errors import IncusError
from kapsule.incus import operations
from kapsule.incus.client import IncusClient
from kapsule.incus.errors import IncusConflict, IncusPreconditionFailed
from kapsule.incus.operations import OnProgress
from kapsule.incus.types import Devices, Instance, InstanceRequest, InstanceState, InstanceUpdate
from kapsule.incus.urls import path

Action = Literal["start", "stop", "restart", "freeze", "unfreeze"]

# Incus has no error code for a taken name. 7.0.2 refuses the request with the first text, 6.0.4
# lets the operation fail with the others; none of them can mean that starting it failed.
_TAKEN = re.compile(
    r'Instance "[^"]*" already exists'
    r"|Failed creating instance record: .*"
    r'(already exists|UNIQUE constraint failed: instances\b.*|busy running a "create" operation)'
)

# What Incus says while it still clears away after a start that failed, or stops an instance.
_BUSY = re.compile(r"(Failed to create instance update operation: )?Instance is busy running a ")

_UPDATE_ATTEMPTS = 10
_UPDATE_PAUSE = 0.05  # seconds, times the number of attempts so far
_BUSY_PATIENCE = 10.0  # seconds


async def list_instances(client: IncusClient) -> list[Instance]:
    """Return all instances, with their configuration, in one request."""
    return await client.get_list(path("instances"), Instance)


async def get_instance(client: IncusClient, name: str) -> Instance:
    """Return one instance. Raises IncusNotFound."""
    return await client.get(path("instances", name), Instance)


async def get_state(client: IncusClient, name: str) -> InstanceState:
    """Return what an instance is doing.

    Raises IncusNotFound, and IncusError while its init is just going away.
    """
    return await client.get(path("instances", name, "state"), InstanceState)


async def create_instance(
    client: IncusClient, body: InstanceRequest, on_progress: OnProgress | None = None
) -> None:
    """Create an instance, and start it where body says so.

    Raises IncusConflict when the name is taken, otherwise what operations.run() raises. An
    instance that could be created but not started stays.
    """
    try:
        await operations.run(client, "POST", path("instances"), body=body, on_progress=on_progress)
    except IncusError as error:
        if _TAKEN.fullmatch(error.message):
            raise IncusConflict(f"Incus has an instance {body.name} already") from error
        raise


async def delete_instance(client: IncusClient, name: str) -> None:
    """Delete a stopped instance. Raises IncusNotFound, and IncusError when it is running."""
    await operations.run(client, "DELETE", path("instances", name))


async def set_state(
    client: IncusClient,
    name: str,
    action: Action,
    *,
    force: bool = False,
    timeout: int = -1,  # noqa: ASYNC109  # the guest's, which Incus watches over
) -> None:
    """Start, stop, restart, freeze or unfreeze an instance, and wait until it is so.

    force: kill instead of shutting down. timeout: seconds that the guest gets to shut down;
    -1 leaves it to Incus, which gives it 600. A frozen instance has to be unfrozen first: Incus
    6.0.4 and 7.0.2 let the deadline pass, and then take it for a running one that they cannot
    unfreeze.
    Raises IncusNotFound, and IncusError when it failed or the guest did not shut down in time.
    """
    body = {"action": action, "force": force, "timeout": timeout}
    await operations.run(client, "PUT", path("instances", name, "state"), body=body)


async def update_instance(
    client: IncusClient, name: str, change: Callable[[InstanceUpdate], InstanceUpdate]
) -> None:
    """Change an instance, without undoing what another writer changes at the same time.

    change: takes what can be written of the instance and returns what it shall be. It is called
    again on fresh data whenever somebody else was faster, so it must have no other effect.
    While Incus is busy with the instance, it is waited for.
    Raises IncusNotFound, IncusError, and IncusPreconditionFailed when others kept being faster.
    """
    url, races = path("instances", name), 0
    deadline = time.monotonic() + _BUSY_PATIENCE
    while races < _UPDATE_ATTEMPTS:
        current, etag = await client.get_with_etag(url, InstanceUpdate)
        wanted = change(current)
        if wanted == current:
            return
        try:
            await operations.run(client, "PUT", url, body=wanted, etag=etag)
            return
        except IncusPreconditionFailed:
            races += 1
        except IncusError as error:
            if not _BUSY.match(error.message) or time.monotonic() > deadline:
                raise
        await asyncio.sleep(_UPDATE_PAUSE * (races + 1))
    raise IncusPreconditionFailed(
        f"{name} could not be changed, because something else kept changing it",
        hint="Try again when the other program is done",
    )


async def patch_config(client: IncusClient, name: str, values: Mapping[str, str | None]) -> None:
    """Set configuration keys of an instance; None removes a key. Raises as update_instance()."""

    def change(current: InstanceUpdate) -> InstanceUpdate:
        merged = {**current.config, **values}
        config = {key: value for key, value in merged.items() if value is not None}
        return msgspec.structs.replace(current, config=config)

    await update_instance(client, name, change)


async def add_devices(client: IncusClient, name: str, devices: Devices) -> None:
    """Add devices to an instance, or replace those of the same name.

    devices: the options of each device by its name. Raises as update_instance() does.
    """

    def change(current: InstanceUpdate) -> InstanceUpdate:
        return msgspec.structs.replace(current, devices={**current.devices, **devices})

    await update_instance(client, name, change)
