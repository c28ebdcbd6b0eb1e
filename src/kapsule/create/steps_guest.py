# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of creation: inside the new container."""

from kapsule import names
from kapsule.containers.container import is_isolated
from kapsule.create.guest_plan import PATHS, plan_guest
from kapsule.create.mounts import clean, steps_down
from kapsule.create.pipeline import CREATE
from kapsule.create.request import CreateContext
from kapsule.errors import GuestError
from kapsule.incus import instances
from kapsule.session.guest_actions import Action, MakeDirectory
from kapsule.user_setup import set_up_user

_ATTEMPTS = 3


@CREATE.step(1400)
async def set_up_guest(context: CreateContext) -> None:
    """Give the guest its host name and the signs by which programs know it."""
    name, guests = context.request.name, context.backend.guests
    files = await guests.read(name, PATHS)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            parents = _parents_of_mounts(context)
            actions = plan_guest(name, files, parents)
            await guests.apply(name, actions)
            return
        except GuestError:
            # It is booting, and may have changed what the plan was made for.
            before, files = files, await guests.read(name, PATHS)
            if files == before or attempt == _ATTEMPTS:
                raise


def _parents_of_mounts(context: CreateContext) -> tuple[Action, ...]:
    """Return what gives the owner the directories that were made for mounts inside a guest home."""
    owner = context.request.owner
    if context.home or is_isolated(context.config):  # what mounts there makes them itself
        return ()
    home = clean(owner.home)
    parents = {path for mount in context.mounts for path in steps_down(mount.path, home)[:-1]}
    return tuple(MakeDirectory(path, 0o755, owner.uid, owner.gid) for path in sorted(parents))


@CREATE.step(1500)
async def set_up_owner(context: CreateContext) -> None:
    """Give the owner an account in it, so that the first enter finds everything."""
    request = context.request
    await set_up_user(context.backend, request.name, request.owner, context.progress)


@CREATE.step(1600)
async def mark_done(context: CreateContext) -> None:
    """Say that the container is ready."""
    backend, name = context.backend, context.request.name
    await instances.patch_config(backend.incus, name, {names.KEY_SETUP_STATE: names.SETUP_DONE})
    await backend.registry.refresh(name)
