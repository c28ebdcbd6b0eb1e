# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a container another level of trust."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kapsule.containers.backend import Backend
from kapsule.containers.container import STOPPED, Container
from kapsule.containers.start import start_container
from kapsule.containers.stop import stop_container
from kapsule.containers.stored_options import options_of
from kapsule.create import host_network
from kapsule.create.host_directories import remove_directories
from kapsule.create.host_needs import provide_for
from kapsule.create.mounts import Mount
from kapsule.create.shared_directories import find_custom_mounts, find_home
from kapsule.errors import Busy, IncusError, NotAuthorized
from kapsule.host.facts import HostFacts, gather_facts
from kapsule.host.users import HostUser, look_up
from kapsule.incus import instances, server
from kapsule.incus.types import InstanceUpdate
from kapsule.options.schema import OptionValue
from kapsule.options.table import HOST_NETWORK
from kapsule.pipeline.pipeline import Pipeline
from kapsule.pipeline.progress import MessageKind, Progress
from kapsule.trust.levels import options_at, takes_authorization
from kapsule.trust.rebuild import rebuilt


@dataclass(frozen=True, slots=True)
class TrustRequest:
    """Another level of trust that somebody wants a container to have.

    level: full, home, project or sealed. may_restart: whether one that runs is stopped and started
    for it. may_open: whether who asks was authorized to open a container that has the host.
    """

    name: str
    level: str
    may_restart: bool = False
    may_open: bool = False


@dataclass(slots=True)
class ChangeTrustContext:
    """One run: its input, then what was found and decided.

    container: before the change. options: after it. owner: whose it is. home, mounts: what it will
    share by name. made: directories that were made for that. line: of raw.lxc. before: the
    instance as it was, once it was changed.
    """

    backend: Backend
    request: TrustRequest
    progress: Progress
    container: Container = field(init=False)
    owner: HostUser = field(init=False)
    facts: HostFacts = field(init=False)
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    home: Mount | None = None
    mounts: tuple[Mount, ...] = ()
    made: list[str] = field(default_factory=list)
    server_version: str = ""
    line: str = ""
    before: InstanceUpdate | None = None


CHANGE_TRUST = Pipeline[ChangeTrustContext]("trust", "Give a container another level of trust")


async def change_trust(backend: Backend, request: TrustRequest, progress: Progress) -> None:
    """Give a container another level of trust, which counts from its next start on.

    Whoever calls this holds the container's lock, and has checked who asks.
    Raises NotFound, InvalidArgument, NotAuthorized, Busy when it runs and must not be restarted,
    NotSupported where the host cannot do it, IncusError. After a failure it is as it was.
    """
    await CHANGE_TRUST.run(ChangeTrustContext(backend, request, progress))


@CHANGE_TRUST.step(100)
async def decide(context: ChangeTrustContext) -> None:
    """Decide every option at the new level."""
    request, registry = context.request, context.backend.registry
    await registry.refresh(request.name)
    context.container = registry.get(request.name)
    before = options_of(context.container)
    context.options = options_at(request.level, before)
    # Again: it may have been changed since somebody was asked to agree.
    if takes_authorization(before, context.options) and not request.may_open:
        raise NotAuthorized(
            f"Container '{request.name}' was changed in the meantime", hint="Try again"
        )
    if _is_awake(context) and not request.may_restart:
        raise Busy(
            f"Container '{request.name}' has to be restarted for this",
            hint="Stop it first, or let it be restarted: what runs in it ends then",
        )


async def _remove_made_directories(context: ChangeTrustContext) -> None:
    if context.made:
        await remove_directories(context.owner, context.made)


@CHANGE_TRUST.step(200, undo=_remove_made_directories)
async def find_directories(context: ChangeTrustContext) -> None:
    """Find the directories that it will share, with its owner's rights."""
    context.owner, made = await look_up(context.container.owner), context.made
    context.home = await find_home(context.options, context.owner, made)
    context.mounts = await find_custom_mounts(context.options, context.owner, context.home, made)


@CHANGE_TRUST.step(300)
async def prepare_host(context: ChangeTrustContext) -> None:
    """Have the host ready for it: ids and a bridge for an isolated one, its network for others."""
    incus = context.backend.incus
    context.facts = await gather_facts()
    context.server_version = (await server.get_server(incus)).environment.server_version
    if context.options["network"] == HOST_NETWORK:
        context.line = await host_network.network_line(context.server_version)
    for text in await provide_for(incus, context.options, context.owner):
        context.progress.message(text)


async def _start_again(context: ChangeTrustContext) -> None:
    if _is_awake(context):
        await start_container(context.backend, context.request.name, context.progress)


@CHANGE_TRUST.step(400, undo=_start_again)
async def stop(context: ChangeTrustContext) -> None:
    """Stop it, where it runs."""
    if _is_awake(context):
        context.progress.message(f"Restarting {context.request.name}, so that it counts")
        await stop_container(
            context.backend, context.request.name, force=False, progress=context.progress
        )


async def _put_back(context: ChangeTrustContext) -> None:
    before = context.before
    if before is None:
        return

    def restore(current: InstanceUpdate) -> InstanceUpdate:
        # What Incus itself notes is about how it is now, such as whose ids its files have.
        config = {key: value for key, value in before.config.items() if not _is_notes(key)}
        notes = {key: value for key, value in current.config.items() if _is_notes(key)}
        return current.changed(config | notes, before.devices)

    await instances.update_instance(context.backend.incus, context.request.name, restore)
    await context.backend.registry.refresh(context.request.name)


def _is_notes(key: str) -> bool:
    return key.startswith("volatile.")


@CHANGE_TRUST.step(500, undo=_put_back)
async def change(context: ChangeTrustContext) -> None:
    """Change configuration and devices in one request."""
    try:
        await _update(context)
    except IncusError as error:
        if not host_network.is_refusal(error, context.server_version):
            raise
        context.line = await host_network.network_line(context.server_version)
        await _update(context)
    await context.backend.registry.refresh(context.request.name)


@CHANGE_TRUST.step(600)
async def start(context: ChangeTrustContext) -> None:
    """Start it again, where it ran."""
    if _is_awake(context):
        await start_container(context.backend, context.request.name, context.progress)
    if not context.options["mount_home"] and not context.home:
        context.progress.message(
            "It has a home of its own, which is set up when it is entered", MessageKind.DIM
        )


def _is_awake(context: ChangeTrustContext) -> bool:
    return context.container.status != STOPPED


async def _update(context: ChangeTrustContext) -> None:
    def change(current: InstanceUpdate) -> InstanceUpdate:
        context.before = current
        return rebuilt(
            current,
            context.options,
            context.owner,
            context.facts,
            context.home,
            context.mounts,
            context.line,
        )

    await instances.update_instance(context.backend.incus, context.request.name, change)
