# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of creation: what the instance will be, then the one request that makes it."""

from kapsule.containers.remove import remove_instance
from kapsule.create import host_network, storage
from kapsule.create.bars import show_in
from kapsule.create.host_directories import remove_directories
from kapsule.create.instance_config import build_config, build_devices, keys_to_store
from kapsule.create.pipeline import CREATE
from kapsule.create.request import CreateContext
from kapsule.create.shared_directories import find_custom_mounts, find_home
from kapsule.errors import AlreadyExists, IncusError
from kapsule.host import device_mounts
from kapsule.host.facts import gather_facts
from kapsule.incus import instances, server
from kapsule.incus.errors import IncusConflict
from kapsule.incus.types import ImageSource, InstanceRequest
from kapsule.options.table import HOST_NETWORK
from kapsule.pipeline.progress import Bar, MessageKind


@CREATE.step(700)
async def build_configuration(context: CreateContext) -> None:
    """Decide the instance's configuration."""
    environment = (await server.get_server(context.backend.incus)).environment
    context.server_version = environment.server_version
    line = ""
    if context.options["network"] == HOST_NETWORK:
        line = await host_network.network_line(context.server_version)
    context.config = build_config(context.options, context.request.owner, line)


@CREATE.step(800)
async def store_options(context: CreateContext) -> None:
    """Put down in the configuration whose it is and what was decided."""
    context.config |= keys_to_store(context.options, context.request.owner)


async def _remove_made_directories(context: CreateContext) -> None:
    await remove_directories(context.request.owner, context.made_directories)


@CREATE.step(900, undo=_remove_made_directories)
async def find_directories(context: CreateContext) -> None:
    """Find the directories of the host to share, with the caller's rights; make what is missing."""
    options, owner, made = context.options, context.request.owner, context.made_directories
    context.home = await find_home(options, owner, made)
    context.mounts = await find_custom_mounts(options, owner, context.home, made)


@CREATE.step(1000)
async def choose_storage_pool(context: CreateContext) -> None:
    """Choose the storage pool."""
    async with context.backend.pool_lock:  # Incus lists one that is still being made, too
        context.pool, context.pool_is_missing = await storage.choose_pool(context.backend.incus)


@CREATE.step(1100)
async def build_device_list(context: CreateContext) -> None:
    """Decide the instance's devices."""
    request, facts = context.request, await gather_facts()
    if request.options.get("gpu") and not facts.has_gpu:
        context.progress.message(
            "This machine has no GPU to pass through; going on without", MessageKind.WARNING
        )
    context.devices = build_devices(
        context.options, request.owner, facts, context.pool, context.home, context.mounts
    )


@CREATE.step(1200)
async def ensure_storage_pool(context: CreateContext) -> None:
    """Make the storage pool where there is none."""
    if context.pool_is_missing:
        async with context.backend.pool_lock:
            driver = await storage.make_missing(context.backend.incus, context.pool)
        if driver:
            context.progress.message(f"Made the storage pool '{context.pool}' ({driver})")


@CREATE.step(1250)
async def keep_device_mounts_apart(context: CreateContext) -> None:
    """Keep what Incus mounts for it out of the other containers."""
    await device_mounts.keep_apart(context.backend.incus.directory)


async def _remove_what_was_made(context: CreateContext) -> None:
    """Remove the instance, unless the name turned out to be somebody else's."""
    backend, name = context.backend, context.request.name
    if context.is_created or await _is_half_made(context):
        await remove_instance(backend.incus, name)
    await backend.registry.refresh(name)


async def _is_half_made(context: CreateContext) -> bool:
    """Whether what has the name now is what a failed request to Incus left."""
    request = context.request
    container = await context.backend.registry.refresh(request.name)
    return bool(container and not container.is_ready and container.owner == request.owner.uid)


@CREATE.step(1300, undo=_remove_what_was_made)
async def create_and_start(context: CreateContext) -> None:
    """Create and start the instance with one request to Incus."""
    with context.progress.bar(f"Creating {context.request.name}", total=100) as bar:
        try:
            await _post(context, bar)
        except IncusError as error:
            if not host_network.is_refusal(error, context.server_version):
                raise
            network = await host_network.network_line(context.server_version)
            context.config |= build_config(context.options, context.request.owner, network)
            await _post(context, bar)
    context.is_created = True


async def _post(context: CreateContext, bar: Bar) -> None:
    body = InstanceRequest(
        name=context.request.name,
        source=ImageSource(fingerprint=context.fingerprint),
        config=context.config,
        devices=context.devices,
        start=True,
    )
    try:
        await instances.create_instance(context.backend.incus, body, on_progress=show_in(bar))
    except IncusConflict as error:
        raise AlreadyExists(
            f"Container '{body.name}' already exists", hint="Choose another name"
        ) from error
