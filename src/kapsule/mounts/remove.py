# SPDX-License-Identifier: GPL-3.0-or-later
"""Share a directory with a container no longer: from now on where it runs."""

from dataclasses import dataclass, field

from kapsule.containers.backend import Backend
from kapsule.containers.container import RUNNING
from kapsule.containers.custom_mounts import stored_mounts
from kapsule.errors import NotFound
from kapsule.host.users import HostUser, look_up
from kapsule.incus import instances
from kapsule.mounts import paths
from kapsule.pipeline.pipeline import Pipeline
from kapsule.pipeline.progress import Progress


@dataclass(slots=True)
class UnmountContext:
    """One run: its input, then what was found. owner: of the container. path: of the mount."""

    backend: Backend
    name: str
    text: str
    caller: HostUser
    progress: Progress
    owner: HostUser = field(init=False)
    path: str = ""


UNMOUNT = Pipeline[UnmountContext]("unmount", "Share a directory with a container no longer")


async def remove_mount(
    backend: Backend, name: str, text: str, caller: HostUser, progress: Progress
) -> None:
    """Take a custom mount out of a container; the directory itself stays as it is.

    text: as for add_mount(). Whoever calls this holds the container's lock.
    Raises NotFound, InvalidArgument, IncusError. After a failure it is still shared.
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


@UNMOUNT.step(200)
async def remove_device(context: UnmountContext) -> None:
    """Take the device from the instance and the mount from what is written down, in one change."""
    path, owner = context.path, context.owner
    await instances.update_instance(
        context.backend.incus, context.name, lambda current: paths.without(current, path, owner)
    )


@UNMOUNT.step(300)
async def read_back(context: UnmountContext) -> None:
    """Take note of the change, and say from when on it counts."""
    container = await context.backend.registry.refresh(context.name)
    if container is not None and container.status == RUNNING:
        context.progress.message(f"{context.path} is no longer in the container")
