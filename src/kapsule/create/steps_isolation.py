# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of creation: who may have a privileged container, and what an isolated one needs."""

from kapsule.create.host_needs import provide_for
from kapsule.create.pipeline import CREATE
from kapsule.create.request import CreateContext
from kapsule.errors import NotAuthorized


@CREATE.step(650)
async def check_trust(context: CreateContext) -> None:
    """Refuse a privileged container to who may only have isolated ones; an image cannot help it."""
    if context.options["privileged"] and not context.request.may_be_privileged:
        raise NotAuthorized(
            f"Image {context.request.image} wants to be privileged, which you may not have",
            hint="Say how far you trust it: --trust project or --trust sealed",
        )


@CREATE.step(1210)
async def prepare_host(context: CreateContext) -> None:
    """Have the host ready for it: for an isolated one, ids and a bridge."""
    owner = context.request.owner
    for text in await provide_for(context.backend.incus, context.options, owner):
        context.progress.message(text)
