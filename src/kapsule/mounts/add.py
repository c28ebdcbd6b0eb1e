# SPDX-License-Identifier: GPL-3.0-or-later
"""Share one more directory with a container: at once where it runs."""

from dataclasses import dataclass, field

from kapsule.containers.backend import Backend
from kapsule.containers.container import FROZEN, RUNNING, is_isolated
from kapsule.containers.custom_mounts import (
    adapt_to_host,
    mounts_below,
    shared_directory,
    stored_mounts,
    with_mounts,
)
from kapsule.create.device_names import mount_device
from kapsule.create.folders import plan_of, sources_to_store
from kapsule.create.host_directories import make_missing, provide_directory, remove_directories
from kapsule.create.mounts import CustomMount, Mount, clean, steps_down
from kapsule.errors import Busy, GuestError
from kapsule.host.users import HostUser, look_up
from kapsule.incus import instances
from kapsule.incus.types import Devices, Instance, InstanceUpdate
from kapsule.mounts import paths
from kapsule.pipeline.pipeline import Pipeline
from kapsule.pipeline.progress import MessageKind, Progress
from kapsule.session.guest_actions import Action, MakeDirectory


@dataclass(slots=True)
class MountContext:
    """One run: its input, then the results of its steps.

    text: the directory as the caller wrote it, then as it is written down. instance, owner: whose
    mount it becomes. mount: what is meant. source: what it leads to. adapted: its other
    devices that have to change, because Incus checks them all. made: directories of the host
    that were made. undo: what takes back what was done inside the container. is_stored:
    whether it was written down.
    """

    backend: Backend
    name: str
    text: str
    caller: HostUser
    progress: Progress
    instance: Instance = field(init=False)
    owner: HostUser = field(init=False)
    mount: CustomMount = field(init=False)
    source: str = ""
    adapted: Devices = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    undo: list[Action] = field(default_factory=list)
    is_stored: bool = False


MOUNT = Pipeline[MountContext]("mount", "Share one more directory with a container")


async def add_mount(
    backend: Backend, name: str, text: str, caller: HostUser, progress: Progress
) -> None:
    """Share a directory with a container, under the path that it has on the host.

    text: absolute, `~` or `~/...`, with `:ro` or `:rw` at its end or neither. caller: whose rights
    on the host count. Whoever calls this holds the container's lock.
    Raises NotFound, AlreadyExists, InvalidArgument, Busy while the container is frozen, GuestError
    and IncusError. After a failure everything is as it was.
    """
    await MOUNT.run(MountContext(backend, name, text, caller, progress))


@MOUNT.step(100)
async def check_mount(context: MountContext) -> None:
    """Check that the directory can be shared with the container."""
    backend, caller = context.backend, context.caller
    await backend.registry.refresh(context.name)
    container = backend.registry.get(context.name)
    if container.status == FROZEN:
        raise Busy(
            f"Container '{context.name}' is frozen",
            hint=f"Thaw it first: kapsule start {context.name}",
        )
    context.instance = await instances.get_instance(backend.incus, context.name)
    is_owner = caller.uid == container.owner
    context.owner = caller if is_owner else await look_up(container.owner)
    context.text = paths.text_for(context.text, caller, context.owner)
    context.mount = paths.check_new(context.instance.config, context.text, context.owner)
    devices = context.instance.devices
    context.adapted = await adapt_to_host(context.name, container.owner, devices)


async def _remove_directories(context: MountContext) -> None:
    await remove_directories(context.owner, context.made)


@MOUNT.step(200, undo=_remove_directories)
async def find_directory(context: MountContext) -> None:
    """Find the directory with the caller's rights; make one that is missing in their home."""
    owner, path = context.owner, context.mount.path
    context.source = await provide_directory(context.caller, path, context.made)
    home = paths.home_of_container(context.instance, owner)
    if home and paths.is_in_home(path, owner):
        place = home.source + path.removeprefix(home.path)
        await make_missing(owner, place, home.source, context.made)


async def _take_back(context: MountContext) -> None:
    if context.undo:
        await context.backend.guests.apply(context.name, context.undo)


@MOUNT.step(300, undo=_take_back)
async def make_parents(context: MountContext) -> None:
    """Have the owner own what leads to it in a home of the container's own."""
    owner, guests = context.owner, context.backend.guests
    if is_isolated(context.instance.config):  # there they are made when it is mounted
        return
    if context.instance.status != RUNNING or paths.home_of_container(context.instance, owner):
        return
    leading = steps_down(context.mount.path, clean(owner.home))[:-1]
    found = await guests.read(context.name, leading) if leading else {}
    missing = [path for path in leading if found[path] is None]
    if missing:
        actions = [MakeDirectory(path, 0o755, owner.uid, owner.gid) for path in missing]
        context.undo = await guests.apply(context.name, actions)


async def _remove_device(context: MountContext) -> None:
    path, owner = context.mount.path, context.owner
    if context.is_stored:
        await instances.update_instance(
            context.backend.incus,
            context.name,
            lambda current: paths.without(current, path, owner),
        )
    await context.backend.registry.refresh(context.name)


@MOUNT.step(400, undo=_remove_device)
async def add_device(context: MountContext) -> None:
    """Write the mount down and give the instance the device, in one change.

    An isolated container has no device for it: create/folders.py says why.
    """

    def change(current: InstanceUpdate) -> InstanceUpdate:
        context.is_stored = False  # it may be called again, after somebody else was faster
        mount = paths.check_new(current.config, context.text, context.owner)
        context.is_stored = True
        config = with_mounts(current.config, [*stored_mounts(current.config), context.text])
        if is_isolated(config):
            sources = sources_to_store([Mount(mount.path, context.source)], config)
            return current.changed(config | sources, current.devices)
        shared = shared_directory(context.source, mount.path, read_only=mount.read_only)
        device = mount_device(mount.path, current.devices)
        return current.changed(config, {**current.devices, **context.adapted, device: shared})

    await instances.update_instance(context.backend.incus, context.name, change)


async def _take_folder(context: MountContext) -> None:
    if _shows_folders(context):
        await context.backend.guests.unmount(context.name, [context.mount.path])


@MOUNT.step(450, undo=_take_folder)
async def mount_folder(context: MountContext) -> None:
    """Mount it in an isolated container that runs, with its owner's rights."""
    container = await context.backend.registry.refresh(context.name)
    if container is None or not _shows_folders(context):
        return
    plan = plan_of(container.config, context.owner)
    only = tuple(each for each in plan.folders if each.target == context.mount.path)
    failures = await context.backend.guests.mount(context.name, plan._replace(folders=only))
    if failures:
        raise GuestError(failures[0], hint="Share another directory")


def _shows_folders(context: MountContext) -> bool:
    """Whether it is an isolated container that runs."""
    container = context.backend.registry.find(context.name)
    return bool(container and container.is_isolated and container.status == RUNNING)


@MOUNT.step(500)
async def read_back(context: MountContext) -> None:
    """Take note of the change, and say from when on it counts."""
    container = await context.backend.registry.refresh(context.name)
    is_running = container is not None and container.status == RUNNING
    when = "now" if is_running else f"when {context.name} starts"
    context.progress.message(f"{context.mount.path} is in the container {when}")
    is_whole = context.mount.read_only or is_isolated(context.instance.config)
    if is_running and not is_whole and mounts_below(context.source):
        context.progress.message(
            f"What is mounted in it comes when {context.name} starts the next time",
            MessageKind.WARNING,
        )
