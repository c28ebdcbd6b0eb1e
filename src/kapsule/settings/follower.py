# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep all running containers at the host's settings: when they start, and when those change."""

import asyncio
import logging
from functools import partial

from kapsule.containers.backend import Backend
from kapsule.containers.container import RUNNING
from kapsule.errors import GuestError
from kapsule.host.settings import HostSettings, gather_settings
from kapsule.settings.apply import Applied, apply_in_time
from kapsule.settings.generation import generate_locales
from kapsule.settings.tasks import Tasks

# Changes come in bursts: a VPN writes a file, then a link, then tells everybody.
_SETTLE = 0.5  # seconds
_FILES_LIMIT = 5.0  # seconds
_SCRIPT_LIMIT = 10.0
_AT_ONCE = 4  # containers

log = logging.getLogger(__name__)


class Follower:
    """Brings containers up to date, each by itself, so that one that hangs keeps no other."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._tasks = Tasks()
        self._running: frozenset[str] = frozenset()
        self._given: dict[str, dict[str, tuple[int, str]]] = {}
        self._attempted: dict[str, set[tuple[int, frozenset[str]]]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._script_slots = asyncio.Semaphore(_AT_ONCE)
        self._generating = asyncio.Lock()
        self._changed = asyncio.Event()

    def host_changed(self) -> None:
        """Look at the host's settings soon; call it as often as you like."""
        self._changed.set()

    async def follow(self) -> None:
        """Do it for ever."""
        self._backend.registry.subscribe(self._see)
        self._backend.registry.subscribe_starts(self._update)
        try:
            await self._follow()
        finally:
            self._tasks.cancel()

    async def _follow(self) -> None:
        known: HostSettings | None = None
        while True:
            settings = await gather_settings()
            if settings != known:
                known = settings
                for name in self._running:
                    self._update(name)
            await self._changed.wait()
            await asyncio.sleep(_SETTLE)
            self._changed.clear()

    def _see(self) -> None:
        """Update containers that run now and did not before."""
        containers = self._backend.registry.all()
        running = frozenset(each.name for each in containers if each.status == RUNNING)
        for name in running - self._running:
            self._update(name)
        for name in self._running - running:
            self._given.pop(name, None)
            self._attempted.pop(name, None)
        self._running = running

    def _update(self, name: str) -> None:
        """Bring a container up to date; once more, if that is being done already."""
        self._tasks.request(name, partial(self._update_now, name))

    async def _update_now(self, name: str) -> None:
        container = self._backend.registry.find(name)
        if container is None or not container.is_ready or container.status != RUNNING:
            return
        async with self._slots:
            applied = await apply_in_time(self._backend, name, _FILES_LIMIT)
        for failure in applied.failures:
            log.warning("%s does not follow the host in everything: %s", name, failure)
        await self._run_scripts(name, applied)
        self._generate(name, applied)

    async def _run_scripts(self, name: str, applied: Applied) -> None:
        """Run the guest's own scripts, but none twice with the same data in one run of it."""
        given = self._given.setdefault(name, {})
        for script, text in applied.scripts.items():
            if given.get(script) != (applied.boot, text):
                given[script] = (applied.boot, text)
                await self._run_script(name, script, text)

    async def _run_script(self, name: str, script: str, text: str) -> None:
        try:
            async with self._script_slots:
                status = await self._backend.guests.run(name, [script], text, _SCRIPT_LIMIT)
        except GuestError as error:
            log.warning("%s: %s", name, error.message)
        else:
            log.info("%s: %s ended with status %d", name, script, status)

    def _generate(self, name: str, applied: Applied) -> None:
        """Have missing locales made, in the background and once in one run of the container."""
        key, attempt = f"Locales of {name}", (applied.boot, applied.missing)
        attempted = self._attempted.setdefault(name, set())
        if applied.missing and key not in self._tasks and attempt not in attempted:
            attempted.add(attempt)
            self._tasks.start(key, self._generate_now(name, applied.missing))

    async def _generate_now(self, name: str, missing: frozenset[str]) -> None:
        async with self._generating:
            made = await generate_locales(self._backend, name, missing)
        if made:
            log.info("%s has made the locales %s", name, ", ".join(sorted(missing)))
            self._update(name)
