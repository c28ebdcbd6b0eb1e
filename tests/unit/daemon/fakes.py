# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands for Incus and the features behind the daemon's bus interface."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from kapsule.config import Config
from kapsule.containers.access import no_such_container
from kapsule.containers.container import RUNNING, Container
from kapsule.create.request import CreateRequest
from kapsule.daemon.features import Features
from kapsule.enter.request import EnterReply, EnterRequest
from kapsule.errors import Busy
from kapsule.host.users import HostUser
from kapsule.pipeline.progress import Progress


def container(name: str, owner: int = 0, **config: str) -> Container:
    """Return a container that runs. config: keys of user.kapsule, with "_" for "-"."""
    keys = {f"user.kapsule.{key.replace('_', '-')}": value for key, value in config.items()}
    return Container(name, RUNNING, owner, "Debian", "2026-02-11T06:31:22+00:00", keys)


class FakeContainers:
    """Containers in memory, without an Incus that could change them."""

    def __init__(self, *containers: Container) -> None:
        self.content = {each.name: each for each in containers}
        self.is_loaded = True
        self.callbacks: list[Callable[[], None]] = []
        self._locks: dict[str, asyncio.Lock] = {}

    def all(self) -> tuple[Container, ...]:
        """Return those that are ready."""
        return tuple(each for _, each in sorted(self.content.items()) if each.is_ready)

    def find(self, name: str) -> Container | None:
        """Return one, ready or not."""
        return self.content.get(name)

    def get(self, name: str) -> Container:
        """Return one that is ready, or raise."""
        if name not in self.content:
            raise no_such_container(name)
        if not self.content[name].is_ready:
            raise Busy(f"Container '{name}' is still being created")
        return self.content[name]

    def lock(self, name: str) -> asyncio.Lock:
        """Return what an operation on it holds."""
        return self._locks.setdefault(name, asyncio.Lock())

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Have callback called by change()."""
        self.callbacks.append(callback)

    def change(self) -> None:
        """Tell the subscribers of a change."""
        for callback in self.callbacks:
            callback()


async def nothing(_: Progress) -> None:
    """Succeed at once, without a real wait."""


@dataclass
class FakeWork:
    """What the features do, and the users' configuration.

    work: the body of each change. taken: the names of foreign instances. calls: what was asked for.
    """

    work: Callable[[Progress], Awaitable[None]] = nothing
    enter: Callable[[EnterRequest, Progress], Awaitable[EnterReply]] | None = None
    taken: frozenset[str] = frozenset()
    config: Config = field(default_factory=lambda: Config("box", "local:debian"))
    calls: list[tuple[object, ...]] = field(default_factory=list)

    def features(self) -> Features:
        """Return features that call what this object has at that time."""
        return Features(
            create=self._create,
            start=lambda name, progress: self._change(progress, "start", name),
            stop=lambda name, force, progress: self._change(progress, "stop", name, force),
            restart=lambda name, force, progress: self._change(progress, "restart", name, force),
            delete=lambda name, force, progress: self._change(progress, "delete", name, force),
            add_mount=lambda name, path, user, progress: self._change(
                progress, "mount", name, path, user.uid
            ),
            remove_mount=lambda name, path, user, progress: self._change(
                progress, "unmount", name, path, user.uid
            ),
            change_owner=lambda name, uid, progress: self._change(progress, "chown", name, uid),
            change_trust=lambda request, progress: self._change(
                progress,
                "trust",
                request.name,
                request.level,
                request.may_restart,
                request.may_open,
            ),
            describe_trust=self._describe_trust,
            set_up_user=self._set_up_user,
            enter=self._enter,
            read_devices=self._read_devices,
            list_images=self._list_images,
            is_taken=self._is_taken,
        )

    async def load_config(self, user: HostUser) -> Config:
        """Return a user's configuration."""
        return self.config

    async def _change(self, progress: Progress, *call: object) -> None:
        self.calls.append(call)
        await self.work(progress)

    async def _create(self, request: CreateRequest, progress: Progress) -> None:
        await self._change(progress, "create", request)

    async def _set_up_user(self, name: str, user: HostUser, progress: Progress) -> None:
        await self._change(progress, "set_up_user", name, user)

    async def _enter(self, request: EnterRequest, progress: Progress) -> EnterReply:
        self.calls.append(("enter", request))
        assert self.enter is not None
        return await self.enter(request, progress)

    async def _read_devices(self, name: str) -> Mapping[str, Mapping[str, str]]:
        return {"root": {"type": "disk", "path": "/"}}

    async def _describe_trust(self, name: str) -> str:
        return json.dumps({"name": name})

    async def _list_images(self, uid: int, is_admin: bool) -> str:
        return json.dumps([{"fingerprint": "abc", "uid": uid, "is_admin": is_admin}])

    async def _is_taken(self, name: str, uid: int) -> bool:
        return name in self.taken
