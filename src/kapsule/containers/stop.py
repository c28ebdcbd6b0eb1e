# SPDX-License-Identifier: GPL-3.0-or-later
"""Stop a container: ask it to shut down, and force it after a deadline."""

from dataclasses import dataclass

from kapsule.containers.backend import Backend
from kapsule.containers.container import FROZEN, STOPPED
from kapsule.errors import IncusError, IncusUnavailable
from kapsule.incus import instances
from kapsule.incus.errors import IncusNotFound, IncusOperationLost
from kapsule.pipeline.pipeline import Pipeline
from kapsule.pipeline.progress import MessageKind, Progress

_DEADLINE = 30  # seconds that the guest gets to shut down


@dataclass(frozen=True, slots=True)
class StopContext:
    """The run's input. status: what the container was before. force: kill it at once."""

    backend: Backend
    name: str
    status: str
    force: bool
    progress: Progress


STOP = Pipeline[StopContext]("stop", "Stop a container")


async def stop_container(backend: Backend, name: str, *, force: bool, progress: Progress) -> None:
    """Stop a container. One that does not run is no error: a warning says so.

    force: kill it instead of having it shut down.
    Raises NotFound, Busy while it is being created, IncusError when it cannot be stopped.
    """
    await backend.registry.refresh(name)
    container = backend.registry.get(name)
    if container.status == STOPPED:
        progress.message(f"Container '{name}' is not running", MessageKind.WARNING)
        return
    await STOP.run(StopContext(backend, name, container.status, force, progress))


async def _freeze_again(context: StopContext) -> None:
    if context.status == FROZEN and not context.force:
        await instances.set_state(context.backend.incus, context.name, "freeze")
        await context.backend.registry.refresh(context.name)


@STOP.step(100, undo=_freeze_again)
async def thaw(context: StopContext) -> None:
    """Thaw a frozen one, because a frozen guest cannot shut down."""
    if context.status == FROZEN and not context.force:
        await instances.set_state(context.backend.incus, context.name, "unfreeze")


@STOP.step(200)
async def stop(context: StopContext) -> None:
    """Have it shut down within the deadline, else kill it and say so."""
    with context.progress.bar(f"Stopping {context.name}"):
        if context.force or not await _shut_down(context):
            await _kill(context)


@STOP.step(300)
async def read_back(context: StopContext) -> None:
    """Take note of its new state."""
    await context.backend.registry.refresh(context.name)


async def _shut_down(context: StopContext) -> bool:
    """Return whether the guest shut down in time."""
    name = context.name
    try:
        await instances.set_state(context.backend.incus, name, "stop", timeout=_DEADLINE)
    except (IncusNotFound, IncusUnavailable, IncusOperationLost):
        raise
    except IncusError as error:
        container = await context.backend.registry.refresh(name)
        if container is None or container.status == STOPPED:
            return True
        context.progress.message(
            f"Container '{name}' did not shut down ({error.message}); it is stopped by force",
            MessageKind.WARNING,
        )
        return False
    return True


async def _kill(context: StopContext) -> None:
    await instances.set_state(context.backend.incus, context.name, "stop", force=True)
