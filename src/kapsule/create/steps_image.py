# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of creation: get the image and hear what it asks for."""

import json
from collections.abc import Mapping

from kapsule.create.bars import show_in
from kapsule.create.pipeline import CREATE
from kapsule.create.request import CreateContext
from kapsule.errors import IncusError, IncusUnavailable, InvalidArgument, NotFound
from kapsule.images.access import may_use_image
from kapsule.incus import images
from kapsule.incus.errors import IncusNotFound
from kapsule.incus.types import Image
from kapsule.options.parse import merge_options, usable_defaults
from kapsule.options.schema import OptionValue
from kapsule.options.table import CREATE_OPTIONS
from kapsule.pipeline.progress import MessageKind

# Of a simplestreams server's `requirements`, and of an image's own metadata.yaml.
_DEFAULTS = ("requirements.kapsule_default_options", "kapsule.default_options")
_LIST_HINT = "See what there is with: kapsule image list"


@CREATE.step(400)
async def cache_image(context: CreateContext) -> None:
    """Have the image in Incus's store, fetched from its server where it is not there yet."""
    incus, source = context.backend.incus, context.source
    if source.is_local:
        context.fingerprint = await _find_local(context)
    elif cached := await images.find_cached(incus, source.server, source.alias):
        context.fingerprint = cached.fingerprint
    else:
        context.fingerprint = await _fetch(context)


@CREATE.step(500)
async def read_image_defaults(context: CreateContext) -> None:
    """Read the options that the image itself sets."""
    image = await images.get_image(context.backend.incus, context.fingerprint)
    if image.type != "container":
        raise InvalidArgument(
            f"Image {context.request.image} is for virtual machines", hint=_LIST_HINT
        )
    context.image_defaults = image_defaults(image)


@CREATE.step(600)
async def merge(context: CreateContext) -> None:
    """Decide every option: what the caller set, else what the image sets, else our default."""
    _, warnings = usable_defaults(CREATE_OPTIONS, context.image_defaults)
    for warning in warnings:
        context.progress.message(warning, MessageKind.WARNING)
    options = merge_options(CREATE_OPTIONS, context.image_defaults, context.request.options)
    context.options = options | _one_home(options, context.request.options)


def _one_home(
    options: Mapping[str, OptionValue], user_values: Mapping[str, OptionValue]
) -> dict[str, OptionValue]:
    """Return the options about the home when only one of two directories can be it.

    The directory that was named, unless it is the image that names it against the caller's word.
    """
    if user_values.get("mount_home"):
        return {"home": ""}
    return {"mount_home": False} if options["home"] else {}


def image_defaults(image: Image) -> Mapping[str, object]:
    """Return the options that an image sets, unchecked.

    Raises InvalidArgument when they cannot be understood: to leave them out could share more with
    the container than the image's maker wanted.
    """
    text = next((image.properties[key] for key in _DEFAULTS if key in image.properties), "{}")
    try:
        defaults = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _nonsense(image) from error
    if not isinstance(defaults, dict):
        raise _nonsense(image)
    return defaults


def _nonsense(image: Image) -> InvalidArgument:
    return InvalidArgument(
        f"The default options of image {image.fingerprint[:12]} are no JSON object",
        hint="The maker of the image has to mend its property kapsule.default_options",
    )


async def _find_local(context: CreateContext) -> str:
    incus, request, alias = context.backend.incus, context.request, context.source.alias
    missing = NotFound(f"There is no local image '{alias}'", hint=_LIST_HINT)
    try:
        image = await images.get_image(incus, await images.get_alias(incus, alias))
    except IncusNotFound as error:
        raise missing from error
    if not may_use_image(image, request.owner.uid, is_admin=request.is_admin):
        raise missing
    return image.fingerprint


async def _fetch(context: CreateContext) -> str:
    source, spec = context.source, context.request.image
    try:
        with context.progress.bar(f"Fetching image {spec}", total=100) as bar:
            return await images.pull_image(
                context.backend.incus,
                source.server,
                source.alias,
                source.protocol,
                on_progress=show_in(bar),
            )
    except IncusUnavailable:
        raise
    except IncusError as error:
        if "couldn't be found" in error.message:
            raise NotFound(
                f"{source.server} has no image '{source.alias}'",
                hint=f"See what it has at {source.server}",
            ) from error
        raise IncusError(
            f"Image {spec} cannot be fetched from {source.server}: {error.message}",
            hint="Check the network, or use an image that is here: kapsule image list",
        ) from error
