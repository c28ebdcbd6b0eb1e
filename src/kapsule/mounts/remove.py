# SPDX-License-Identifier: GPL-3.0-or-later
"""Share a directory with a container no longer: from now on where it runs."""

from dataclasses import dataclass, field

from kapsule.containers.backend import Backend
from kapsule.containers.container import RUNNING
from kapsule.containers.custom_mounts import adapt_to_host, stored_mounts
from kapsule.create.folders import plan_of
from kapsule.errors import GuestError, KapsuleError, NotFound
from kapsule.host.users import HostUser, look_up
from kapsule.incus import instances
from kapsule.incus.types import Devices, InstanceUpdate
from kapsule.mounts import paths
from kapsule.pipeline.pipeline import Pipeline
from kapsule.pipeline.progress import MessageKind, Progress


@dataclass(slots=True)
class UnmountContext:
    """One run: its input, then what was found. owner: of the container. path: of the mount.

    adapted: its other devices that have to change, because Incus checks them all.
    """

    backend: Backend
    name: str
    text: str
    caller: HostUser
    progress: Progress
    owner: HostUser = field(init=False)
    path: str = ""
    adapted: Devices = field(default_factory=dict)


UNMOUNT = Pipeline[UnmountContext]("unmount", "Share a directory with a container no longer")


async def remove_mount(
    backend: Backend, name: str, text: str, caller: HostUser, progress: Progress
) -> None:
    """Take a custom mount out of a container; the directory itself stays as it is.

    text: as for add_mount(). Whoever calls this holds the container's lock.
    Raises NotFound, InvalidArgument, Busy, GuestError, IncusError. After a failure it is still
    shared. Once it is written down that it is not, a warning says what may be left of it.
    """
    await UNMOUNT.run(UnmountContext(backend, name, text, caller, progress))


@UNMOUNT.step(100)
async def find_mount(context: UnmountContext) -> None:
    """Find the mount that is meant."""
    registry, caller = context.backend.registry, context.caller
    await registry.refresh(context.name)
    container = registry.get(context.name)
    context.owner = caller if caller.uid == container.owner else await look_up(container.owner)
    context.path = paths.path_of(context.text, caller)
    stored = stored_mounts(container.config)
    if all(paths.path_of(text, context.owner) != context.path for text in stored):
        raise NotFound(
            f"Container '{context.name}' has no custom mount at {context.path}",
            hint="It has: " + (", ".join(stored) or "none"),
        )
    found = (await instances.get_instance(context.backend.incus, context.name)).devices
    others = {name: each for name, each in found.items() if each.get("path") != context.path}
    context.adapted = await adapt_to_host(context.name, container.owner, others)


async def _put_back(context: UnmountContext) -> None:
    container = context.backend.registry.find(context.name)
    if container and container.is_isolated and container.status == RUNNING:
        await context.backend.guests.mount(context.name, plan_of(container.config, context.owner))


@UNMOUNT.step(150, undo=_put_back)
async def take_folder(context: UnmountContext) -> None:
    """Take it out of an isolated container that runs."""
    await _take(context)


@UNMOUNT.step(200)
async def remove_device(context: UnmountContext) -> None:
    """Take the device from the instance and the mount from what is written down, in one change."""

    def change(current: InstanceUpdate) -> InstanceUpdate:
        left = paths.without(current, context.path, context.owner)
        return left.changed(left.config, {**left.devices, **context.adapted})

    await instances.update_instance(context.backend.incus, context.name, change)


@UNMOUNT.step(300)
async def read_back(context: UnmountContext) -> None:
    """Take note of the change."""
    await context.backend.registry.refresh(context.name)


@UNMOUNT.step(400)
async def take_folder_again(context: UnmountContext) -> None:
    """Take out what sessions put in place that began before the change; say from when it counts."""
    try:
        await _take(context)
    except KapsuleError as error:
        # It was taken out before, and it is written down: there is nothing to take back.
        context.progress.message(
            f"Until it stops, programs in the container may have {context.path}: {error.message}",
            MessageKind.WARNING,
        )
        return
    container = context.backend.registry.find(context.name)
    if container is not None and container.status == RUNNING:
        context.progress.message(f"{context.path} is no longer in the container")


async def _take(context: UnmountContext) -> None:
    container = context.backend.registry.find(context.name)
    if container and container.is_isolated and container.status == RUNNING:
        failures = await context.backend.guests.unmount(context.name, [context.path])
        if failures:
            raise GuestError(failures[0], hint="Stop the container first")
