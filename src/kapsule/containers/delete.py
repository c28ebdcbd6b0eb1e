# SPDX-License-Identifier: GPL-3.0-or-later
"""Delete a container with everything in it."""

from dataclasses import dataclass

from kapsule.containers.backend import Backend
from kapsule.containers.container import STOPPED
from kapsule.containers.remove import remove_instance
from kapsule.errors import Busy
from kapsule.incus import instances
from kapsule.pipeline.pipeline import Pipeline
from kapsule.pipeline.progress import Progress


@dataclass(frozen=True, slots=True)
class DeleteContext:
    """The run's input."""

    backend: Backend
    name: str
    force: bool
    progress: Progress


DELETE = Pipeline[DeleteContext]("delete", "Delete a container with everything in it")


async def delete_container(backend: Backend, name: str, *, force: bool, progress: Progress) -> None:
    """Delete a container with everything in it; what it shares with the host stays.

    force: kill it first when it runs.
    Raises NotFound, Busy when it runs and force is off, IncusError when Incus does not delete it.
    """
    await DELETE.run(DeleteContext(backend, name, force, progress))


@DELETE.step(100)
async def check_state(context: DeleteContext) -> None:
    """Refuse to delete a container that runs, unless forced."""
    await context.backend.registry.refresh(context.name)
    container = context.backend.registry.get(context.name)
    if container.status != STOPPED and not context.force:
        raise Busy(
            f"Container '{context.name}' is {container.status.lower()}",
            hint=f"Stop it first, or use --force: kapsule rm --force {context.name}",
        )


@DELETE.step(200)
async def delete(context: DeleteContext) -> None:
    """Delete it; with force, kill it first."""
    with context.progress.bar(f"Deleting {context.name}"):
        if context.force:
            await remove_instance(context.backend.incus, context.name)
        else:
            await instances.delete_instance(context.backend.incus, context.name)


@DELETE.step(300)
async def forget(context: DeleteContext) -> None:
    """Take note that it is gone."""
    await context.backend.registry.refresh(context.name)
