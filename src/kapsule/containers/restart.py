# SPDX-License-Identifier: GPL-3.0-or-later
"""Restart a container."""

from kapsule.containers.backend import Backend
from kapsule.containers.container import STOPPED
from kapsule.containers.start import start_container
from kapsule.containers.stop import stop_container
from kapsule.pipeline.progress import Progress


async def restart_container(
    backend: Backend, name: str, *, force: bool, progress: Progress
) -> None:
    """Stop a container and start it; one that does not run is only started.

    force: kill it instead of having it shut down. Raises what stopping and starting raise.
    """
    await backend.registry.refresh(name)
    if backend.registry.get(name).status != STOPPED:
        await stop_container(backend, name, force=force, progress=progress)
    await start_container(backend, name, progress)
