# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds and wires everything: the only such place."""

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from kapsule import config, names
from kapsule.config import Config
from kapsule.containers.backend import Backend
from kapsule.containers.delete import delete_container
from kapsule.containers.guest import Guests
from kapsule.containers.registry import Registry
from kapsule.containers.restart import restart_container
from kapsule.containers.start import start_container
from kapsule.containers.stop import stop_container
from kapsule.containers.taken import is_taken
from kapsule.create import create_container
from kapsule.daemon import connection
from kapsule.daemon.admins import admin_gid
from kapsule.daemon.authorizer import Authorizer
from kapsule.daemon.bus import Bus
from kapsule.daemon.callers import Callers
from kapsule.daemon.creations import Creations
from kapsule.daemon.defaults import Defaults
from kapsule.daemon.features import Containers, Features
from kapsule.daemon.host_watch import watch_host
from kapsule.daemon.manager import Manager
from kapsule.daemon.notify import READY, STOPPING, notify
from kapsule.daemon.operations import Operations, Timing
from kapsule.daemon.polkit import Polkit
from kapsule.daemon.reading import Services
from kapsule.daemon.signatures import modernize, takes_descriptors
from kapsule.enter import enter_container
from kapsule.errors import NotSupported
from kapsule.host import device_mounts, firewall, firewall_watch
from kapsule.host.users import HostUser
from kapsule.images.listing import list_usable_images
from kapsule.incus import instances
from kapsule.incus.client import IncusClient, find_socket
from kapsule.mounts import Keeper, add_mount, remove_mount
from kapsule.ownership import change_owner
from kapsule.settings import Follower
from kapsule.trust import change_trust, describe_trust
from kapsule.user_setup import set_up_user

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the daemon serves.

    background: what runs beside it, for ever. command: the absolute path of the `kapsule` command.
    admin_gid, load_config: as Authorizer and Defaults want them. limits: the machine's
    configuration, as it is at the start. timing: of operations, None for the usual one.
    """

    containers: Containers
    features: Features
    background: Callable[[], Coroutine[Any, Any, None]]
    command: str
    admin_gid: Callable[[], int | None]
    load_config: Callable[[HostUser], Awaitable[Config]] = config.load
    limits: Config = field(default_factory=Config)
    timing: Timing | None = None


async def run(address: str | None, command: str) -> None:
    """Be the daemon until SIGTERM or SIGINT.

    address: of the bus, or None for the system bus. command: as in Parts.
    Raises KapsuleError when it cannot serve, or not any more.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    incus = IncusClient()
    registry = Registry(incus)
    limits = await asyncio.to_thread(config.load_system)
    backend = Backend(incus, registry, Guests(incus), limits.max_sessions)
    parts = Parts(
        containers=registry,
        features=bind_features(backend),
        background=partial(follow, address, backend),
        command=command,
        admin_gid=lambda: admin_gid(config.load_system(), find_socket(os.environ)),
        limits=limits,
    )
    try:
        # Incus, which is ordered behind us, is about to start what ran before the last shutdown.
        await device_mounts.keep_apart(incus.directory)
        await _guard_host(incus.directory)
        await serve(address, parts, stop)
    finally:
        await incus.close()


async def _guard_host(incus_directory: str) -> None:
    """Guard the host from what is behind the bridge that Incus is about to start."""
    if firewall.has_bridge(incus_directory):
        try:
            await firewall.guard_host()
        except NotSupported as error:
            log.error("%s", error.message)


async def follow(address: str | None, backend: Backend) -> None:
    """Keep the containers known, each as the host is now, and the host guarded, for ever.

    address: of the bus.
    """
    follower = Follower(backend)
    async with asyncio.TaskGroup() as group:
        group.create_task(follower.follow())
        group.create_task(watch_host(address, follower.host_changed))
        group.create_task(Keeper(backend).keep())
        group.create_task(backend.registry.follow())
        group.create_task(firewall_watch.keep_guarding(backend.incus.directory))


async def serve(address: str | None, parts: Parts, stop: asyncio.Event) -> None:
    """Own the name and answer calls until stop is set.

    Then what runs is cancelled and undone, and its callers are told, before the name is given up.
    Raises KapsuleError when the name or the bus cannot be had, or when the bus is lost.
    """
    bus = Bus(address, takes_descriptors=takes_descriptors)
    bus.add_message_handler(modernize)
    callers = Callers(bus)
    authorizer = Authorizer(callers, Polkit(bus), parts.admin_gid)
    operations = _export(bus, callers, authorizer, parts)
    async with connection.on_bus(bus, names.BUS_NAME):
        notify(READY)
        log.info("Serving %s as %s", names.BUS_NAME, bus.unique_name)
        background = asyncio.create_task(parts.background())
        try:
            await connection.until_the_end(bus, background, stop)
        finally:
            notify(STOPPING)
            await authorizer.close()
            await operations.close()
            background.cancel()


def _export(bus: Bus, callers: Callers, authorizer: Authorizer, parts: Parts) -> Operations:
    limits = parts.limits
    operations = Operations(bus, callers, timing=parts.timing, limit=limits.max_operations)
    defaults = Defaults(parts.containers, parts.load_config, parts.features.is_taken)
    services = Services(
        callers,
        authorizer,
        operations,
        parts.containers,
        Creations(parts.containers, limits.max_containers),
        parts.features,
        defaults,
    )
    manager = Manager(services, command=parts.command)
    bus.export(names.MANAGER_PATH, manager)
    return operations


def bind_features(backend: Backend) -> Features:
    """Return every feature, bound to the backend."""

    async def read_devices(name: str) -> Mapping[str, Mapping[str, str]]:
        return (await instances.get_instance(backend.incus, name)).devices

    async def trust_of(name: str) -> str:
        return (await describe_trust(backend, name)).to_json()

    return Features(
        create=partial(create_container, backend),
        start=partial(start_container, backend),
        stop=lambda name, force, progress: stop_container(
            backend, name, force=force, progress=progress
        ),
        restart=lambda name, force, progress: restart_container(
            backend, name, force=force, progress=progress
        ),
        delete=lambda name, force, progress: delete_container(
            backend, name, force=force, progress=progress
        ),
        add_mount=partial(add_mount, backend),
        remove_mount=partial(remove_mount, backend),
        change_owner=partial(change_owner, backend),
        change_trust=partial(change_trust, backend),
        describe_trust=trust_of,
        set_up_user=partial(set_up_user, backend),
        enter=partial(enter_container, backend),
        read_devices=read_devices,
        list_images=partial(list_usable_images, backend.incus),
        is_taken=partial(is_taken, backend.incus),
    )
