# SPDX-License-Identifier: GPL-3.0-or-later
"""Calls on images and their aliases."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from kapsule.errors import IncusError
from kapsule.incus import operations
from kapsule.incus.client import IncusClient
from kapsule.incus.operations import OnProgress
from kapsule.incus.server import get_server
from kapsule.incus.types import Image, ImageAlias, ImageSource
from kapsule.incus.urls import path

_CONTAINER = "container"
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class _PullRequest(msgspec.Struct, frozen=True, kw_only=True):
    source: ImageSource
    auto_update: bool


async def list_images(client: IncusClient) -> list[Image]:
    """Return all images in the local store."""
    return await client.get_list(path("images"), Image)


async def list_images_whole(client: IncusClient) -> list[tuple[Image, dict[str, Any]]]:
    """Return all images in the local store, each also with the fields that we do not read."""
    found = await client.get_list(path("images"), dict[str, Any])
    return [(msgspec.convert(each, Image), each) for each in found]


async def get_image(client: IncusClient, fingerprint: str) -> Image:
    """Return one image. fingerprint: whole, or its unique beginning. Raises IncusNotFound."""
    return await client.get(path("images", fingerprint), Image)


async def get_alias(client: IncusClient, alias: str) -> str:
    """Return the fingerprint of the image that a local alias names. Raises IncusNotFound."""
    return (await client.get(path("images", "aliases", alias), ImageAlias)).target


async def find_cached(client: IncusClient, server: str, alias: str) -> Image | None:
    """Return the newest image that was fetched from this server by this alias, if any.

    server: its URL. Only images for containers of this machine's architecture count.
    """
    architecture = (await get_server(client)).environment.kernel_architecture
    fitting = [
        image
        for image in await list_images(client)
        if image.type == _CONTAINER
        and image.architecture == architecture
        and image.update_source
        and image.update_source.server.rstrip("/") == server.rstrip("/")
        and image.update_source.alias == alias
    ]
    return max(fitting, key=lambda image: image.uploaded_at or _LONG_AGO, default=None)


async def pull_image(
    client: IncusClient,
    server: str,
    alias: str,
    protocol: str,
    on_progress: OnProgress | None = None,
) -> str:
    """Fetch a container image from a server into the local store; return its fingerprint.

    server: its URL. protocol: `simplestreams` or `incus`. Incus keeps the image up to date.
    An image that is there already is not fetched again.
    Raises IncusError when the server cannot be reached or has no such image.
    """
    source = ImageSource(
        alias=alias, server=server, protocol=protocol, mode="pull", image_type=_CONTAINER
    )
    operation = await operations.run(
        client,
        "POST",
        path("images"),
        body=_PullRequest(source=source, auto_update=True),
        on_progress=on_progress,
    )
    fingerprint = operation.metadata.get("fingerprint")
    if not isinstance(fingerprint, str):
        raise IncusError(f"Incus fetched {alias} from {server} but does not say what it got")
    return fingerprint
