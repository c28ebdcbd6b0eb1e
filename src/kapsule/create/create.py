# SPDX-License-Identifier: GPL-3.0-or-later
"""Create a container."""

# The steps register themselves.
from kapsule.containers.backend import Backend
from kapsule.create import (  # noqa: F401
    steps_checks,
    steps_folders,
    steps_guest,
    steps_image,
    steps_instance,
    steps_isolation,
    steps_settings,
)
from kapsule.create.pipeline import CREATE
from kapsule.create.request import CreateContext, CreateRequest
from kapsule.pipeline.progress import Progress


async def create_container(backend: Backend, request: CreateRequest, progress: Progress) -> None:
    """Create a container, start it and set it up for its owner.

    The caller holds the registry's lock of the name from start to end: an unfinished container
    whose lock is free counts as left over, and is removed.
    Raises InvalidArgument, AlreadyExists, NotFound, GuestError and IncusError; what was made until
    then is removed again, but for the image.
    """
    await CREATE.run(CreateContext(backend, request, progress))
