# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of creation: what is wrong with the request comes out before anything is done."""

from kapsule.containers.container import check_name
from kapsule.containers.from_instance import container_from_instance
from kapsule.containers.remove import remove_instance
from kapsule.create.host_directories import find_directory
from kapsule.create.mounts import check_source, home_folder, plan_custom_mounts
from kapsule.create.pipeline import CREATE
from kapsule.create.request import CreateContext, CreateRequest
from kapsule.errors import AlreadyExists, InvalidArgument
from kapsule.images.resolve import resolve_image
from kapsule.incus import instances
from kapsule.incus.errors import IncusNotFound
from kapsule.incus.types import Instance


@CREATE.step(100)
async def check_request(context: CreateContext) -> None:
    """Check the name, the options and the directories that the caller named."""
    request = context.request
    check_name(request.name)
    texts, home = request.options.get("custom_mounts", ()), request.options.get("home", "")
    assert isinstance(texts, tuple)  # the table says so
    mounts = plan_custom_mounts(texts, request.owner, mounts_home=bool(home))
    paths = [mount.path for mount in mounts]
    if home:
        if request.options.get("mount_home"):
            raise InvalidArgument(
                "--home and --mount-home contradict each other", hint="Leave out one of them"
            )
        paths.append(home_folder(str(home), request.owner))
    for path in paths:
        source = await find_directory(request.owner, path)
        check_source(path, source or path)


@CREATE.step(200)
async def check_name_is_free(context: CreateContext) -> None:
    """Refuse a name that is taken; clear away what an earlier creation left behind."""
    incus, request = context.backend.incus, context.request
    try:
        instance = await instances.get_instance(incus, request.name)
    except IncusNotFound:
        return
    if _is_left_over(instance, request):
        await remove_instance(incus, request.name)
        return
    raise _taken(instance, request)


@CREATE.step(300)
async def resolve(context: CreateContext) -> None:
    """Find out which image is meant."""
    context.source = resolve_image(context.request.image)


def _is_left_over(instance: Instance, request: CreateRequest) -> bool:
    """Whether nobody is creating it any more: whoever does holds the lock that we hold."""
    container = container_from_instance(instance)
    return bool(container and not container.is_ready and container.owner == request.owner.uid)


def _taken(instance: Instance, request: CreateRequest) -> AlreadyExists:
    container = container_from_instance(instance)
    text = f"Container '{request.name}' already exists"
    if container is None:
        return AlreadyExists(
            f"{text}: it is an Incus instance that Kapsule did not make",
            hint="Choose another name. Kapsule leaves such instances alone.",
        )
    if container.owner != request.owner.uid:
        return AlreadyExists(f"{text} and belongs to another user", hint="Choose another name")
    return AlreadyExists(text, hint=f"Enter it with: kapsule enter {request.name}")
