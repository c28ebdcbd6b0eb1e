# SPDX-License-Identifier: GPL-3.0-or-later
"""Look at a container, and report what crosses its border."""

import asyncio

from kapsule.containers.backend import Backend
from kapsule.containers.container import STOPPED
from kapsule.errors import Busy
from kapsule.incus import instances
from kapsule.session import proc
from kapsule.trust.report import TrustReport, make_report


async def describe_trust(backend: Backend, name: str) -> TrustReport:
    """Return what crosses the border of a container now, or when it runs.

    Raises NotFound, Busy while it is being created, IncusError.
    """
    instance = await instances.get_instance(backend.incus, name)
    await backend.registry.refresh(name)
    container = backend.registry.get(name)
    bounding = None if container.status == STOPPED else await _bounding_set(backend, name)
    return make_report(container, instance.expanded_devices or instance.devices, bounding)


async def _bounding_set(backend: Backend, name: str) -> int | None:
    """Return the capability bounding set of the container's init: proc_pid_status(5)."""
    try:
        boot = await backend.guests.boot(name)
    except Busy:
        return None
    return await asyncio.to_thread(_read, f"/proc/{boot.pid}/status")


def _read(path: str) -> int | None:
    try:
        return int(proc.words(path, "CapBnd")[0], 16)
    except (OSError, IndexError):  # it has just stopped
        return None
