# SPDX-License-Identifier: GPL-3.0-or-later
"""Give one running container what it follows of the host: one look at its files, one change."""

import asyncio
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kapsule import names
from kapsule.containers.backend import Backend
from kapsule.containers.container import Container
from kapsule.errors import GuestError
from kapsule.host.appearance import HostAppearance, gather_appearance
from kapsule.host.settings import HostSettings, gather_settings
from kapsule.session.guest_actions import Action
from kapsule.settings import appearance, locale, name_servers, scripts, time_zone
from kapsule.settings.bridge import settings_behind_bridge

_NO_APPEARANCE = HostAppearance(has_fonts=False, icons=(), themes=())


@dataclass(frozen=True, slots=True)
class Applied:
    """What could not be done, and what is left that takes longer.

    boot: the pid of the container's init on the host. failures: what could not be written, in
    words. scripts: the guest's own, and what each reads. missing: the host's locales that it lacks.
    """

    boot: int
    failures: tuple[str, ...]
    scripts: Mapping[str, str]
    missing: frozenset[str]


async def apply_settings(backend: Backend, name: str, *, is_new: bool = False) -> Applied:
    """Have a running container follow the host now. What is so already is not written.

    is_new: whether it was just made, and nobody has set anything in it.

    Raises Busy when it does not run, GuestError when nothing can be read in it, IncusError.
    """
    container = backend.registry.find(name) or await backend.registry.refresh(name)
    settings, shown = await asyncio.gather(gather_settings(), _appearance(container))
    if container:
        settings = await settings_behind_bridge(backend.incus, container, settings)
    boot = await backend.guests.boot(name)
    paths = {*time_zone.paths(settings), *locale.PATHS, *name_servers.PATHS, *scripts.PATHS}
    paths |= set(appearance.paths(shown))
    files, missing = await asyncio.gather(
        backend.guests.read(name, sorted(paths)), _missing_locales(backend, name, settings)
    )
    shares_network = _shares_network(boot.pid)
    own = scripts.plan_scripts(files, settings, shares_network=shares_network)
    servers = name_servers.plan_name_servers(
        files, settings, shares_network=shares_network, is_new=is_new
    )
    plans = {
        scripts.TIME_ZONE: time_zone.plan_time_zone(files, settings),
        scripts.LOCALE: locale.plan_locale(files, settings, missing),
        scripts.NAME_SERVERS: servers,
        "appearance": appearance.plan_appearance(files, shown),
    }
    todo = [plan for key, plan in plans.items() if plan and key not in own]
    failures = await _carry_out(backend, name, todo)
    return Applied(boot.pid, failures, own, frozenset() if scripts.LOCALE in own else missing)


async def _appearance(container: Container | None) -> HostAppearance:
    sees_host = container and container.config.get(names.KEY_HOST_ROOTFS) == "true"
    return await gather_appearance() if sees_host else _NO_APPEARANCE


async def _missing_locales(backend: Backend, name: str, settings: HostSettings) -> frozenset[str]:
    wanted = locale.locales_of(settings)
    return await backend.guests.missing_locales(name, wanted) if wanted else frozenset()


def _shares_network(pid: int) -> bool:
    try:
        return os.path.samefile(f"/proc/{pid}/ns/net", "/proc/self/ns/net")
    except OSError:  # it has just stopped
        return False


async def _carry_out(
    backend: Backend, name: str, plans: Sequence[Sequence[Action]]
) -> tuple[str, ...]:
    """Apply all plans at once; where that fails, each by itself, so that one does not keep others.

    Returns what is wrong with those that failed.
    """
    if not plans:
        return ()
    try:
        await backend.guests.apply(name, list(itertools.chain.from_iterable(plans)))
    except GuestError as error:
        if len(plans) == 1:
            return (error.message,)
        alone = [await _carry_out(backend, name, [plan]) for plan in plans]
        return tuple(itertools.chain.from_iterable(alone))
    return ()


async def apply_in_time(backend: Backend, name: str, seconds: float) -> Applied:
    """Do as apply_settings(). Raises GuestError also when the container takes too long."""
    try:
        async with asyncio.timeout(seconds):
            return await apply_settings(backend, name)
    except TimeoutError:
        raise GuestError(f"Container '{name}' does not answer") from None
