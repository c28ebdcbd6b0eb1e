# SPDX-License-Identifier: GPL-3.0-or-later
"""What one can ask the Manager without changing anything."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from dbus_fast import PropertyAccess
from dbus_fast.annotations import DBusBool, DBusStr, DBusUInt32
from dbus_fast.service import dbus_method, dbus_property, dbus_signal

from kapsule import __version__, names
from kapsule.containers.container import Container
from kapsule.daemon import signatures, wire
from kapsule.daemon.actions import Action
from kapsule.daemon.authorizer import Authorizer
from kapsule.daemon.callers import Callers
from kapsule.daemon.creations import Creations
from kapsule.daemon.dbus_errors import answers, to_kapsule_error, wire_text
from kapsule.daemon.defaults import Defaults
from kapsule.daemon.features import Containers, Features, wait_until_loaded
from kapsule.daemon.interface import NamedInterface
from kapsule.daemon.lanes import Lanes
from kapsule.daemon.operations import Operations
from kapsule.daemon.sight import Sight
from kapsule.daemon.signatures import (
    ContainerStruct,
    ContainerStructs,
    OwnedContainerStructs,
    Paths,
    StringMap,
)
from kapsule.errors import Busy, NotFound
from kapsule.host.users import name_of
from kapsule.options.table import CREATE_OPTIONS
from kapsule.options.wire import to_json

_ROOT = 0


@dataclass(frozen=True, slots=True)
class Services:
    """What the Manager works with. Each class says what it is."""

    callers: Callers
    authorizer: Authorizer
    operations: Operations
    containers: Containers
    creations: Creations
    features: Features
    defaults: Defaults


class Reading(NamedInterface):
    """The reading half of the Manager. Containers, operations and images of others are hidden."""

    results: ClassVar[Mapping[str, tuple[str, ...]]] = signatures.RESULTS

    def __init__(self, services: Services) -> None:
        super().__init__(names.MANAGER_INTERFACE)
        self._callers = services.callers
        self._authorizer = services.authorizer
        self._operations = services.operations
        self._containers = services.containers
        self._features = services.features
        self._defaults = services.defaults
        self._lanes = Lanes()
        self._sight = Sight(services.containers, services.creations, services.authorizer)
        services.containers.subscribe(self.ContainersChanged)

    @dbus_property(PropertyAccess.READ)
    def Version(self) -> DBusStr:
        """Kapsule's version."""
        return __version__

    @dbus_signal()
    def ContainersChanged(self) -> None:
        """What ListContainers answers has changed."""

    @dbus_method()
    @answers
    async def ListOperations(self) -> Paths:
        """Return the caller's operations that run; to root all."""
        return self._operations.running(await self._callers.uid())

    @dbus_method()
    @answers
    async def GetCreateSchema(self) -> DBusStr:
        """Return the table of creation options as JSON."""
        return to_json(CREATE_OPTIONS)

    @dbus_method()
    @answers
    async def ListContainers(self) -> ContainerStructs:
        """Return the caller's containers that are ready; to root all."""
        return [wire.to_struct(each) for each in await self._sight.own(await self._callers.uid())]

    @dbus_method()
    @answers
    async def ListAllContainers(self) -> OwnedContainerStructs:
        """Return all users' containers that are ready, each with its owner."""
        await self._authorizer.authorize(await self._callers.identify(), Action.MANAGE_OTHERS)
        containers = await self._sight.own(_ROOT)
        uids = {each.owner for each in containers}
        owners = dict(zip(uids, await asyncio.gather(*map(name_of, uids)), strict=True))
        return [wire.to_owned_struct(each, owners[each.owner]) for each in containers]

    @dbus_method()
    @answers
    async def GetContainerInfo(self, name: DBusStr) -> ContainerStruct:
        """Return one container."""
        return wire.to_struct(await self._see(name))

    @dbus_method()
    @answers
    async def Describe(self, name: DBusStr) -> DBusStr:
        """Return one container as JSON, with options and devices."""
        container = await self._see(name)
        async with self._lanes.of(await self._callers.uid()):
            return wire.to_json(container, await self._features.read_devices(name))

    @dbus_method()
    @answers
    async def DescribeTrust(self, name: DBusStr) -> DBusStr:
        """Return what crosses the border of a container as JSON."""
        await self._see(name)
        async with self._lanes.of(await self._callers.uid()):
            return await self._features.describe_trust(name)

    @dbus_method()
    @answers
    async def IsUserSetup(self, container_name: DBusStr, uid: DBusUInt32) -> DBusBool:
        """Return whether the user has an account in the container."""
        try:
            return (await self._see(container_name)).is_set_up_for(uid)
        except (NotFound, Busy):
            return False

    @dbus_method()
    @answers
    async def GetConfig(self) -> StringMap:
        """Return the caller's settings, or the one key `error`."""
        try:
            user = (await self._callers.identify()).user
            async with self._lanes.of(user.uid):
                config = await self._defaults.config(user)
        except Exception as error:
            config = {"error": to_kapsule_error(error).to_text()}
        return {key: wire_text(value) for key, value in config.items()}

    @dbus_method()
    @answers
    async def ListImages(self) -> DBusStr:
        """Return the images that the caller may use as JSON."""
        user = (await self._callers.identify()).user
        is_admin = await self._authorizer.is_admin(user)
        async with self._lanes.of(user.uid):
            return await self._features.list_images(user.uid, is_admin)

    async def _see(self, name: str) -> Container:
        """Return a container that the caller may see and that is ready."""
        uid = await self._callers.uid()
        container = self._containers.find(name)
        if container is None or uid not in (_ROOT, container.owner):
            await self._sight.check_may_see(await self._callers.identify(), name)
        return await self._get(name)

    async def _get(self, name: str) -> Container:
        await wait_until_loaded(self._containers)
        return self._containers.get(name)
