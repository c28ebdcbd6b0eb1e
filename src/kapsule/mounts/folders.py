# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories that isolated containers show: put in place whenever one starts."""

import asyncio
import logging
from functools import partial

from kapsule.containers.backend import Backend
from kapsule.containers.container import RUNNING, Container
from kapsule.containers.start import START, StartContext
from kapsule.create.folders import plan_of
from kapsule.errors import KapsuleError
from kapsule.host.users import look_up
from kapsule.pipeline.progress import MessageKind
from kapsule.settings.tasks import Tasks

log = logging.getLogger(__name__)


async def put_folders(backend: Backend, container: Container) -> list[str]:
    """Mount what an isolated container that runs shows; return what could not be, in words.

    Raises NotFound when its owner has no account any more, Busy, GuestError, IncusError.
    """
    if not container.is_isolated:
        return []
    owner = await look_up(container.owner)
    plan = plan_of(container.config, owner)
    return await backend.guests.mount(container.name, plan) if plan.folders else []


@START.step(460)
async def mount_folders(context: StartContext) -> None:
    """Mount the directories that an isolated container shows, with its owner's rights."""
    container = context.backend.registry.find(context.name)
    if container is None or container.status != RUNNING:
        return
    try:
        failures = await put_folders(context.backend, container)
    except KapsuleError as error:
        failures = [error.message]
    for failure in failures:
        context.progress.message(failure, MessageKind.WARNING)


class Keeper:
    """Mounts them in containers that others start: the `incus` command, a reboot inside, a boot."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._tasks = Tasks()
        self._running: frozenset[str] = frozenset()

    async def keep(self) -> None:
        """Do it for ever."""
        self._backend.registry.subscribe(self._see)
        self._backend.registry.subscribe_starts(self._put)
        try:
            await asyncio.Event().wait()
        finally:
            self._tasks.cancel()

    def _see(self) -> None:
        """Look at containers that run now and did not before: the daemon may be what started."""
        containers = self._backend.registry.all()
        running = frozenset(each.name for each in containers if each.status == RUNNING)
        for name in running - self._running:
            self._put(name)
        self._running = running

    def _put(self, name: str) -> None:
        """Put them in place; once more, if that is being done already."""
        self._tasks.request(name, partial(self._put_now, name))

    async def _put_now(self, name: str) -> None:
        # What is being taken away from a container must not be put back a moment later.
        async with self._backend.registry.lock(name):
            container = self._backend.registry.find(name)
            if container and container.is_ready and container.status == RUNNING:
                for failure in await put_folders(self._backend, container):
                    log.warning("%s: %s", name, failure)
