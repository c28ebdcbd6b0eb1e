# SPDX-License-Identifier: GPL-3.0-or-later
"""A caller's default container and image."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kapsule.config import Config, own_names
from kapsule.containers.container import check_name
from kapsule.create.request import CreateRequest
from kapsule.daemon.features import Containers
from kapsule.errors import KapsuleError
from kapsule.host.users import HostUser

_PATIENCE = 2.0  # seconds: a desktop's start may wait for the answer


@dataclass(frozen=True, slots=True)
class Defaults:
    """Finds out what a caller's defaults are.

    containers: those in memory. load: reads a user's configuration. is_taken: asks Incus whether
    it has any instance of that name that is not of the user with that uid.
    """

    containers: Containers
    load: Callable[[HostUser], Awaitable[Config]]
    is_taken: Callable[[str, int], Awaitable[bool]]

    async def image(self, user: HostUser) -> str:
        """Return the image of containers that are made without one."""
        return (await self.load(user)).default_image

    async def config(self, user: HostUser) -> dict[str, str]:
        """Return both, as the bus interface names them.

        The container may not exist yet. Raises InvalidArgument when none can have the name.
        """
        config = await self.load(user)
        return {
            "default_container": await self._name(user, config),
            "default_image": config.default_image,
        }

    async def target(self, name: str, user: HostUser) -> tuple[str, CreateRequest | None]:
        """Return the container that a caller means, and how to make it if it is to be made.

        name: "" for the default. Only the default is made when it is missing. Raises
        InvalidArgument when the default is what counts and no container can have its name.
        """
        if name and self.containers.find(name):
            return name, None
        config = await self.load(user)
        default = await self._name(user, config)
        if name not in ("", default) or self.containers.find(default):
            return name or default, None
        return default, CreateRequest(default, config.default_image, {}, user)

    async def _name(self, user: HostUser, config: Config) -> str:
        check_name(config.default_container)
        names = own_names(config.default_container, user)
        for name in names:
            container = self.containers.find(name)
            if container and container.owner == user.uid:
                return name
        for name in names:
            if not await self._is_taken(name, user.uid):
                return name
        return names[-1]

    async def _is_taken(self, name: str, uid: int) -> bool:
        """Say whether somebody else has this name; no, if Incus does not answer soon.

        Incus may have a container of the user's that is being made and not in memory yet.
        """
        if container := self.containers.find(name):
            return container.owner != uid
        with contextlib.suppress(KapsuleError, TimeoutError):
            if self.containers.is_loaded:
                async with asyncio.timeout(_PATIENCE):
                    return await self.is_taken(name, uid)
        return False
