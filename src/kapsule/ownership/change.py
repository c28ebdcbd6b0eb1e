# SPDX-License-Identifier: GPL-3.0-or-later
"""Give a stopped container to another user: one change, or none."""

from dataclasses import dataclass, field

from kapsule.containers.backend import Backend
from kapsule.containers.container import STOPPED
from kapsule.containers.stored_options import options_of
from kapsule.create.host_needs import provide_for
from kapsule.errors import Busy
from kapsule.host.users import HostUser, look_up
from kapsule.incus import instances
from kapsule.incus.types import InstanceUpdate
from kapsule.ownership.plan import given_to, lost
from kapsule.pipeline.pipeline import Pipeline
from kapsule.pipeline.progress import MessageKind, Progress


@dataclass(slots=True)
class ChownContext:
    """One run: its input, then the new owner and the directories that are shared no longer."""

    backend: Backend
    name: str
    uid: int
    progress: Progress
    owner: HostUser = field(init=False)
    lost: list[str] = field(default_factory=list)


CHOWN = Pipeline[ChownContext]("chown", "Give a container to another user")


async def change_owner(backend: Backend, name: str, uid: int, progress: Progress) -> None:
    """Give a container to another user, who is set up in it when they enter it.

    uid: the new owner's. The old one need not have an account any more. Whoever calls this holds
    the container's lock. Raises NotFound, also for the account, Busy unless it is stopped,
    NotSupported where the host cannot have it, and IncusError; nothing has changed then.
    """
    await CHOWN.run(ChownContext(backend, name, uid, progress))


@CHOWN.step(100)
async def check_state(context: ChownContext) -> None:
    """Refuse while it is not stopped, because the old owner may have programs in it."""
    context.owner = await look_up(context.uid)
    await context.backend.registry.refresh(context.name)
    container = context.backend.registry.get(context.name)
    if container.status != STOPPED:
        raise Busy(
            f"Container '{context.name}' is {container.status.lower()}",
            hint=f"Stop it first: kapsule stop {context.name}",
        )


@CHOWN.step(150)
async def prepare_host(context: ChownContext) -> None:
    """Have the host ready for it: ids of the new owner's, where it is isolated."""
    container = context.backend.registry.get(context.name)
    for text in await provide_for(context.backend.incus, options_of(container), context.owner):
        context.progress.message(text)


@CHOWN.step(200)
async def give(context: ChownContext) -> None:
    """Write down whose it is, and take out what the old owner shared with it, in one change."""

    def change(current: InstanceUpdate) -> InstanceUpdate:
        given = given_to(current, context.owner)
        context.lost = lost(current) if given != current else []
        return given

    await instances.update_instance(context.backend.incus, context.name, change)


@CHOWN.step(300)
async def read_back(context: ChownContext) -> None:
    """Take note of the change, and say what the container has lost by it."""
    await context.backend.registry.refresh(context.name)
    if context.lost:
        context.progress.message(
            f"It does not share any more: {', '.join(context.lost)}", MessageKind.WARNING
        )
