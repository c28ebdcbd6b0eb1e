# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of creation: the directories that an isolated container shows."""

from kapsule.containers.container import is_isolated
from kapsule.create.folders import plan_of, sources_to_store
from kapsule.create.pipeline import CREATE
from kapsule.create.request import CreateContext
from kapsule.errors import GuestError


@CREATE.step(950)
async def store_sources(context: CreateContext) -> None:
    """Put down what the paths of the directories lead to, so that it stays so."""
    if is_isolated(context.config):
        mounts = [context.home, *context.mounts] if context.home else context.mounts
        context.config |= sources_to_store(mounts, context.config)


@CREATE.step(1410)
async def mount_folders(context: CreateContext) -> None:
    """Mount the directories in an isolated container, with the owner's rights."""
    plan = plan_of(context.config, context.request.owner)
    if not plan.folders:
        return
    failures = await context.backend.guests.mount(context.request.name, plan)
    if failures:
        raise GuestError(failures[0], hint="Leave the directory out, or share another one")
