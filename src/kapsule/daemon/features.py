# SPDX-License-Identifier: GPL-3.0-or-later
"""What the bus interface needs from the rest of the daemon. app.py puts it together."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from kapsule.containers.container import Container
from kapsule.create.request import CreateRequest
from kapsule.enter.request import EnterReply, EnterRequest
from kapsule.errors import IncusUnavailable
from kapsule.host.users import HostUser
from kapsule.pipeline.progress import Progress
from kapsule.trust import TrustRequest

# A call may be what started the daemon, so Incus gets a moment: 2 s in all.
_LOADING_ATTEMPTS = 100
_LOADING_PAUSE = 0.02


class Containers(Protocol):
    """The containers in memory: containers.registry.Registry, where each method is explained."""

    @property
    def is_loaded(self) -> bool:
        """Whether Incus has told us what there is."""

    def all(self) -> tuple[Container, ...]:
        """Return those that are ready."""

    def find(self, name: str) -> Container | None:
        """Return one, ready or not."""

    def get(self, name: str) -> Container:
        """Return one that is ready, or raise."""

    def lock(self, name: str) -> asyncio.Lock:
        """Return what an operation on it holds."""

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Have callback called after changes."""


@dataclass(frozen=True, slots=True)
class Features:
    """Everything that can be done, as callables that are bound to Incus already.

    stop, restart, delete: the flag is `force`. add_mount, remove_mount: container, directory as
    the caller wrote it, caller. change_owner: container, uid of whose it
    is to be. describe_trust: what crosses a container's border, as JSON. read_devices: a
    container's Incus devices by name. list_images: those that the user with a uid may use, who may
    be an administrator, as JSON. is_taken: whether Incus has any instance of that name that is not
    a container of the user with that uid.
    """

    create: Callable[[CreateRequest, Progress], Awaitable[None]]
    start: Callable[[str, Progress], Awaitable[None]]
    stop: Callable[[str, bool, Progress], Awaitable[None]]
    restart: Callable[[str, bool, Progress], Awaitable[None]]
    delete: Callable[[str, bool, Progress], Awaitable[None]]
    add_mount: Callable[[str, str, HostUser, Progress], Awaitable[None]]
    remove_mount: Callable[[str, str, HostUser, Progress], Awaitable[None]]
    change_owner: Callable[[str, int, Progress], Awaitable[None]]
    change_trust: Callable[[TrustRequest, Progress], Awaitable[None]]
    describe_trust: Callable[[str], Awaitable[str]]
    set_up_user: Callable[[str, HostUser, Progress], Awaitable[None]]
    enter: Callable[[EnterRequest, Progress], Awaitable[EnterReply]]
    read_devices: Callable[[str], Awaitable[Mapping[str, Mapping[str, str]]]]
    list_images: Callable[[int, bool], Awaitable[str]]
    is_taken: Callable[[str, int], Awaitable[bool]]


async def wait_until_loaded(containers: Containers) -> None:
    """Wait until it is known what containers there are.

    Raises IncusUnavailable when Incus does not tell within two seconds.
    """
    for _ in range(_LOADING_ATTEMPTS):
        if containers.is_loaded:
            return
        await asyncio.sleep(_LOADING_PAUSE)
    raise IncusUnavailable(
        "Incus does not answer", hint="See: systemctl status incus.socket incus.service"
    )
