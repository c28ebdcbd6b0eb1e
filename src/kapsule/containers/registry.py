# SPDX-License-Identifier: GPL-3.0-or-later
"""The containers, in memory: listed once, then kept right by Incus's events.

Whoever changes a container calls refresh() afterwards, so that the next read sees the change
without waiting for the event.
"""

import asyncio
import logging
from collections.abc import Callable
from weakref import WeakValueDictionary

from kapsule.containers.access import no_such_container
from kapsule.containers.container import LASTING, Container
from kapsule.containers.from_instance import container_from_instance
from kapsule.containers.remove import remove_instance
from kapsule.errors import Busy, IncusError, IncusUnavailable
from kapsule.incus import instances
from kapsule.incus.client import IncusClient
from kapsule.incus.errors import IncusNotFound
from kapsule.incus.events import OPENED, follow_events
from kapsule.incus.types import Event

_FIRST_PAUSE = 0.25  # seconds before the first attempt to reconnect; doubled with each
_LONGEST_PAUSE = 5.0
# How long what is between two states is looked at again, in seconds.
_FIRST_LOOK, _LAST_LOOK = 0.5, 60.0

# Events about an instance that leave it as it was: Incus doc/events.md.
_NOT_A_CHANGE = (
    "instance-backup",
    "instance-console",
    "instance-exec",
    "instance-file",
    "instance-log",
    "instance-metadata",
    "instance-snapshot",
)

_STARTS = ("instance-started", "instance-restarted", "instance-resumed")

log = logging.getLogger(__name__)


class Registry:
    """The containers that Kapsule made, as Incus last told them. Everything else is not in it."""

    def __init__(self, client: IncusClient) -> None:
        self._client = client
        self._containers: dict[str, Container] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._callbacks: list[Callable[[], None]] = []
        self._start_callbacks: list[Callable[[str], None]] = []
        self._told: list[tuple[str, str, str, str, str]] = []
        self._telling: asyncio.Handle | None = None
        self._clearing: asyncio.Task[None] | None = None
        self._settling: asyncio.Task[None] | None = None
        # One reader at a time, or an older answer could overwrite a newer one.
        self._reading = asyncio.Lock()
        self.is_loaded = False

    def all(self) -> tuple[Container, ...]:
        """Return the containers by name, without those that are still being created."""
        ready = (container for container in self._containers.values() if container.is_ready)
        return tuple(sorted(ready, key=lambda container: container.name))

    def find(self, name: str) -> Container | None:
        """Return the container with this name, ready or not, or None."""
        return self._containers.get(name)

    def get(self, name: str) -> Container:
        """Return the container with this name.

        Raises NotFound, Busy while it is being created, and IncusUnavailable when nothing is known
        because Incus has not answered since the start.
        """
        container = self.find(name)
        if container is None:
            self._check_loaded()
            raise no_such_container(name)
        if not container.is_ready:
            raise Busy(f"Container '{name}' is still being created", hint="Try again in a moment")
        return container

    def lock(self, name: str) -> asyncio.Lock:
        """Return the lock that an operation on this container holds from start to end."""
        return self._locks.setdefault(name, asyncio.Lock())

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Have callback called after changes that a list would show, once for many at a time."""
        self._callbacks.append(callback)

    def subscribe_starts(self, callback: Callable[[str], None]) -> None:
        """Have callback called with the name of each container that somebody started just now."""
        self._start_callbacks.append(callback)

    async def refresh(self, name: str) -> Container | None:
        """Read one container from Incus now and return it; None when there is none.

        Raises IncusError when Incus does not answer.
        """
        async with self._reading:
            try:
                found = container_from_instance(await instances.get_instance(self._client, name))
            except IncusNotFound:
                found = None
            if found:
                self._containers[name] = found
            else:
                self._containers.pop(name, None)
        self._changed()
        return found

    async def follow(self) -> None:
        """Keep the containers right, for ever. Reconnects when Incus goes away."""
        try:
            await self._follow()
        finally:
            for task in filter(None, (self._clearing, self._settling)):
                task.cancel()

    async def _follow(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                async for event in follow_events(self._client):
                    if event is OPENED:
                        await self._load()
                        pause = _FIRST_PAUSE
                    else:
                        await self._take(event)
            except IncusError as error:
                log.warning("Incus: %s; trying again in %.2g s", error.message, pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def remove_unfinished(self) -> None:
        """Remove what creations left behind that were never finished.

        A container whose lock is held is being created right now and is left alone. One that
        Incus does not remove stays; the log says why.
        """
        for name in [name for name, each in self._containers.items() if not each.is_ready]:
            if not self.lock(name).locked():
                await self._remove_if_unfinished(name)

    def _check_loaded(self) -> None:
        if not self.is_loaded:
            raise IncusUnavailable(
                "Incus has not answered yet", hint="See: systemctl status incus.service"
            )

    async def _load(self) -> None:
        async with self._reading:
            listed = map(container_from_instance, await instances.list_instances(self._client))
            self._containers = {each.name: each for each in listed if each}
            self.is_loaded = True
        self._changed()
        self._clear_away()

    async def _take(self, event: Event) -> None:
        for name in _names(event):
            container = await self.refresh(name)
            if container and not container.is_ready and not self.lock(name).locked():
                self._clear_away()
            if container and event.metadata.action in _STARTS:
                for callback in self._start_callbacks:
                    callback(name)

    def _clear_away(self) -> None:
        """Remove what is unfinished, without holding up what else happens."""
        if self._clearing is None or self._clearing.done():
            self._clearing = asyncio.create_task(self.remove_unfinished())

    async def _remove_if_unfinished(self, name: str) -> None:
        async with self.lock(name):
            try:
                # It may have been finished while others were removed.
                container = await self.refresh(name)
                if container is None or container.is_ready:
                    return
                log.warning("The creation of container %s was never finished; removing it", name)
                await remove_instance(self._client, name)
                await self.refresh(name)
            except IncusError as error:
                log.warning("Container %s cannot be removed: %s", name, error.message)

    def _changed(self) -> None:
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_soon(self._tell)
        if self._unsettled() and (self._settling is None or self._settling.done()):
            self._settling = asyncio.create_task(self._settle())

    def _unsettled(self) -> list[str]:
        return [name for name, each in self._containers.items() if each.status not in LASTING]

    async def _settle(self) -> None:
        """Look again at what is between two states: an Incus that dies never tells of the end."""
        pause = _FIRST_LOOK
        while pause < _LAST_LOOK and self._unsettled():
            await asyncio.sleep(pause)
            pause *= 2
            for name in self._unsettled():
                try:
                    await self.refresh(name)
                except IncusError as error:
                    log.debug("Container %s cannot be looked at: %s", name, error.message)

    def _tell(self) -> None:
        self._telling = None
        visible = [
            (each.name, each.status, each.image, each.created, each.mode) for each in self.all()
        ]
        if visible == self._told:
            return
        self._told = visible
        for callback in self._callbacks:
            callback()


def _names(event: Event) -> list[str]:
    """Return the instances that an event may have changed."""
    about = event.metadata
    if not about.action.startswith("instance-") or about.action.startswith(_NOT_A_CHANGE):
        return []
    if about.project not in ("", "default"):
        return []
    old = about.context.get("old_name")
    return [about.name or about.source.rpartition("/")[2], *([old] if isinstance(old, str) else [])]
