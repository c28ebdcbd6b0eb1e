# SPDX-License-Identifier: GPL-3.0-or-later
"""Enter a container."""

from kapsule.containers.backend import Backend
from kapsule.enter.request import EnterContext, EnterReply, EnterRequest
from kapsule.enter.steps import ENTER
from kapsule.pipeline.progress import Progress

__all__ = ["ENTER", "EnterReply", "EnterRequest", "enter_container"]


async def enter_container(
    backend: Backend, request: EnterRequest, progress: Progress
) -> EnterReply:
    """Start a session in a container, and whatever must be done before it can.

    request: its descriptors stay the caller's. progress: hears of what takes long.
    Raises NotFound, NotAuthorized, Busy, GuestError, IncusError; nothing of a session is left then.
    """
    context = EnterContext(backend, request, progress)
    await ENTER.run(context)
    assert context.reply is not None
    return context.reply
