# SPDX-License-Identifier: GPL-3.0-or-later
"""A step of starting: what leads to a mount in a home of the container's own is its owner's."""

import asyncio
import logging

from kapsule import names
from kapsule.containers.container import FROZEN, Container
from kapsule.containers.custom_mounts import stored_mounts
from kapsule.containers.start import START, StartContext
from kapsule.create.mounts import clean, steps_down
from kapsule.errors import KapsuleError
from kapsule.host.users import HostUser, look_up
from kapsule.mounts.paths import path_of
from kapsule.session.guest_actions import DIRECTORY, MakeDirectory

_PATIENCE = 5.0  # seconds; a guest that hangs is still entered

log = logging.getLogger(__name__)


@START.step(450)
async def own_parents(context: StartContext) -> None:
    """Have the owner own what was made to mount upon in a home of the container's own."""
    container = context.backend.registry.find(context.name)
    if container and context.status != FROZEN and _has_mounts_in_own_home(container):
        try:
            owner = await look_up(container.owner)
            async with asyncio.timeout(_PATIENCE):
                await _own(context, _parents(container, owner), owner)
        except (KapsuleError, TimeoutError) as error:
            log.warning("%s: the parents of mounts stay root's: %s", context.name, error)


def _has_mounts_in_own_home(container: Container) -> bool:
    config = container.config
    if container.is_isolated:  # there they are made as the owner's: mounts/folders.py
        return False
    shares_home = config.get(names.KEY_MOUNT_HOME) == "true" or names.KEY_HOME in config
    return names.KEY_CUSTOM_MOUNTS in config and not shares_home


def _parents(container: Container, owner: HostUser) -> list[str]:
    paths = (path_of(text, owner) for text in stored_mounts(container.config))
    return sorted({parent for path in paths for parent in steps_down(path, clean(owner.home))[:-1]})


async def _own(context: StartContext, parents: list[str], owner: HostUser) -> None:
    guests = context.backend.guests
    files = await guests.read(context.name, parents) if parents else {}
    actions = [
        MakeDirectory(path, file.mode, owner.uid, owner.gid)
        for path, file in files.items()
        if file and file.kind == DIRECTORY and file.uid == 0 and not file.mounted
    ]
    if actions:
        await guests.apply(context.name, actions)
