# SPDX-License-Identifier: GPL-3.0-or-later
"""A step of creation: the host's settings in the new container."""

from kapsule.create.pipeline import CREATE
from kapsule.create.request import CreateContext
from kapsule.errors import GuestError
from kapsule.pipeline.progress import MessageKind
from kapsule.settings import apply_settings


@CREATE.step(1450)
async def follow_host_settings(context: CreateContext) -> None:
    """Give it the host's time zone, locale, name servers and, where it sees them, fonts and themes.

    A container without them is better than none.
    """
    try:
        name = context.request.name
        failures = (await apply_settings(context.backend, name, is_new=True)).failures
    except GuestError as error:
        failures = (error.message,)
    for failure in failures:
        context.progress.message(
            f"It does not follow the host in everything: {failure}", MessageKind.WARNING
        )
