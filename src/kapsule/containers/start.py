# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a container, or thaw a frozen one."""

from dataclasses import dataclass

from kapsule import names
from kapsule.containers.backend import Backend
from kapsule.containers.container import FROZEN, RUNNING
from kapsule.containers.custom_mounts import adapt_to_host
from kapsule.errors import IncusError
from kapsule.host import device_mounts, firewall, network_namespace
from kapsule.incus import instances
from kapsule.incus.errors import IncusOperationLost
from kapsule.options.table import BRIDGE
from kapsule.pipeline.pipeline import Pipeline
from kapsule.pipeline.progress import MessageKind, Progress


@dataclass(slots=True)
class StartContext:
    """The run's input. status: what the container was before. raw_lxc, network: its settings.

    is_ours: found out by start(): whether it runs because of us, as far as anybody knows.
    """

    backend: Backend
    name: str
    status: str
    raw_lxc: str
    network: str
    progress: Progress
    is_ours: bool = False


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
    network = container.config.get(names.KEY_NETWORK, "")
    await START.run(StartContext(backend, name, container.status, raw_lxc, network, progress))


@START.step(100)
async def provide_network_namespace(context: StartContext) -> None:
    """Make the file that names the host's network namespace; a reboot takes it away."""
    if network_namespace.FILE in context.raw_lxc:
        await network_namespace.make_file()


@START.step(150)
async def keep_device_mounts_apart(context: StartContext) -> None:
    """Keep what Incus mounts for it out of the other containers."""
    await device_mounts.keep_apart(context.backend.incus.directory)


@START.step(170)
async def guard_host(context: StartContext) -> None:
    """Guard the host from what is behind the bridge; a reboot or a flush takes the rules away."""
    if context.network == BRIDGE and context.status != FROZEN:
        await firewall.guard_host()


@START.step(200)
async def leave_out_what_is_gone(context: StartContext) -> None:
    """Have custom mounts wait for directories that are gone; take in those that are back."""
    incus, name = context.backend.incus, context.name
    if context.status == FROZEN:
        return
    devices = (await instances.get_instance(incus, name)).devices
    owner = context.backend.registry.get(name).owner
    changed = await adapt_to_host(name, owner, devices)
    if changed:
        await instances.add_devices(incus, name, changed)
    for device in changed.values():
        if "required" in device:
            context.progress.message(
                f"{device['source']} is not there; starting without it", MessageKind.WARNING
            )


async def _restore(context: StartContext) -> None:
    if not context.is_ours:  # what somebody else started may be at work
        return
    incus, registry, name = context.backend.incus, context.backend.registry, context.name
    container = await registry.refresh(name)
    if container is None or container.status != RUNNING:
        return
    if context.status == FROZEN:
        await instances.set_state(incus, name, "freeze")
    else:
        await instances.set_state(incus, name, "stop", force=True)
    await registry.refresh(name)


@START.step(300, undo=_restore)
async def start(context: StartContext) -> None:
    """Have Incus start or thaw it, and wait until it has; somebody else may be faster."""
    action: instances.Action = "unfreeze" if context.status == FROZEN else "start"
    with context.progress.bar(f"Starting {context.name}"):
        context.is_ours = True
        try:
            await instances.set_state(context.backend.incus, context.name, action)
        except IncusOperationLost:
            raise
        except IncusError:
            context.is_ours = False
            container = await context.backend.registry.refresh(context.name)
            if container is None or container.status != RUNNING:
                raise


@START.step(400)
async def read_back(context: StartContext) -> None:
    """Take note of its new state."""
    await context.backend.registry.refresh(context.name)
