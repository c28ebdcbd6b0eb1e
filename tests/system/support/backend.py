# SPDX-License-Identifier: GPL-3.0-or-later
"""The features without the daemon around them."""

import asyncio
import contextlib
import pwd
from collections.abc import AsyncIterator, Callable, Iterator

from kapsule.containers.backend import Backend
from kapsule.containers.guest import Guests
from kapsule.containers.registry import Registry
from kapsule.create import CreateRequest, create_container
from kapsule.host.users import HostUser, look_up
from kapsule.incus.client import IncusClient
from kapsule.options.schema import OptionValue
from kapsule.pipeline.progress import Bar, Progress
from kapsule.testing.recording_progress import RecordingProgress
from tests.system.support.users import incus


@contextlib.asynccontextmanager
async def own_backend() -> AsyncIterator[Backend]:
    """Yield a backend of our own, whose registry is loaded and follows Incus."""
    client = IncusClient()
    registry = Registry(client)
    following = asyncio.create_task(registry.follow())
    try:
        await until(lambda: registry.is_loaded)
        yield Backend(client, registry, Guests(client))
    finally:
        following.cancel()
        await asyncio.wait({following})
        await client.close()


class CancellingProgress(RecordingProgress):
    """Cancels the run as soon as a bar with this description is opened."""

    def __init__(self, description: str) -> None:
        super().__init__()
        self._description = description

    @contextlib.contextmanager
    def bar(self, description: str, *, total: int = -1, indent: int = 1) -> Iterator[Bar]:
        """Open a bar, and cancel the task that opens it if it is the one."""
        task = asyncio.current_task()
        if task and description == self._description:
            task.cancel()
        with super().bar(description, total=total, indent=indent) as bar:
            yield bar


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something is so; raise TimeoutError when it does not come."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # there is nothing to be told by
            await asyncio.sleep(0.02)


async def wait_for_boot(name: str) -> str:
    """Wait until a guest with systemd has booted, and return how it is: running or degraded."""
    while True:
        state = incus("exec", name, "--", "systemctl", "is-system-running", check=False).strip()
        if state in ("running", "degraded"):
            return state
        await asyncio.sleep(0.1)


async def account(name: str) -> HostUser:
    """Return the host user with this name."""
    return await look_up(pwd.getpwnam(name).pw_uid)


async def make(
    backend: Backend,
    name: str,
    *,
    image: str = "local:debian",
    owner: str = "alice",
    progress: Progress | None = None,
    **options: OptionValue,
) -> None:
    """Create a container as the daemon does, holding its lock."""
    request = CreateRequest(name, image, options, await account(owner), may_be_privileged=True)
    async with backend.registry.lock(name):
        await create_container(backend, request, progress or RecordingProgress())
