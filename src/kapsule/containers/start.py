# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a container, or thaw a frozen one."""

from dataclasses import dataclass

from kapsule.containers.backend import Backend
from kapsule.containers.container import FROZEN, RUNNING
from kapsule.host import network_namespace
from kapsule.incus import instances
from kapsule.pipeline.pipeline import Pipeline
from kapsule.pipeline.progress import MessageKind, Progress


@dataclass(frozen=True, slots=True)
class StartContext:
    """The run's input. status: what the container was before."""

    backend: Backend
    name: str
    status: str
    raw_lxc: str
    progress: Progress


START = Pipeline[StartContext]("start", "Start a container, or thaw a frozen one")


async def start_container(backend: Backend, name: str, progress: Progress) -> None:
    """Start a container. One that runs already is no error: a warning says so.

    Raises NotFound, Busy while it is being created, IncusError when it does not start.
    """
    await backend.registry.refresh(name)
    container = backend.registry.get(name)
    if container.status == RUNNING:
        progress.message(f"Container '{name}' is already running", MessageKind.WARNING)
        return
    raw_lxc = container.config.get("raw.lxc", "")
    await START.run(StartContext(backend, name, container.status, raw_lxc, progress))


@START.step(100)
async def provide_network_namespace(context: StartContext) -> None:
    """Make the file that names the host's network namespace; a reboot takes it away."""
    if network_namespace.FILE in context.raw_lxc:
        await network_namespace.make_file()


async def _restore(context: StartContext) -> None:
    incus, name = context.backend.incus, context.name
    if (await instances.get_state(incus, name)).status == RUNNING:
        if context.status == FROZEN:
            await instances.set_state(incus, name, "freeze")
        else:
            await instances.set_state(incus, name, "stop", force=True)
    await context.backend.registry.refresh(name)


@START.step(200, undo=_restore)
async def start(context: StartContext) -> None:
    """Have Incus start or thaw it, and wait until it has."""
    with context.progress.bar(f"Starting {context.name}"):
        action: instances.Action = "unfreeze" if context.status == FROZEN else "start"
        await instances.set_state(context.backend.incus, context.name, action)


@START.step(300)
async def read_back(context: StartContext) -> None:
    """Take note of its new state."""
    await context.backend.registry.refresh(context.name)
