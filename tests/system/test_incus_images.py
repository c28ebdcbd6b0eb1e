# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of a real Incus, fetched from a server in the box."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from kapsule.errors import IncusError
from kapsule.incus import images
from kapsule.incus.client import IncusClient
from kapsule.incus.errors import IncusNotFound
from kapsule.incus.operations import OperationProgress
from tests.system.support.image_server import ImageServer, image_server
from tests.system.support.users import incus

pytestmark = pytest.mark.main


@pytest.fixture
async def client() -> AsyncIterator[IncusClient]:
    """A client of the box's Incus."""
    client = IncusClient()
    yield client
    await client.close()


@pytest.fixture
async def tiny() -> AsyncIterator[ImageServer]:
    """An image server, whose image is gone from Incus in the end."""
    async with image_server() as tiny:
        yield tiny
        incus("image", "delete", tiny.fingerprint, check=False)


async def test_aliases(client: IncusClient) -> None:
    """An alias with a slash is one name."""
    fingerprint = await images.get_alias(client, "busybox")
    incus("image", "alias", "create", "busybox/1", fingerprint)
    assert await images.get_alias(client, "busybox/1") == fingerprint
    with pytest.raises(IncusNotFound):
        await images.get_alias(client, "no/such")
    incus("image", "alias", "delete", "busybox/1")


async def test_pulling_an_image(client: IncusClient, tiny: ImageServer) -> None:
    """A pull tells how far it is, and its image is found again by where it came from."""
    told: list[OperationProgress] = []

    def on_progress(progress: OperationProgress) -> None:
        told.append(progress)
        if progress.percent:
            tiny.hurry.set()

    url = tiny.url
    pulled = await images.pull_image(client, url, "tiny", "simplestreams", on_progress)
    assert pulled == tiny.fingerprint
    assert any(each.percent and "%" in each.text for each in told)
    found = await images.find_cached(client, url, "tiny")
    assert found
    assert found.fingerprint == pulled
    assert json.loads(incus("query", f"/1.0/images/{pulled}"))["auto_update"]
    assert await images.find_cached(client, url, "other") is None
    assert await images.pull_image(client, url, "tiny", "simplestreams") == pulled
    incus("image", "delete", pulled)
    with pytest.raises(IncusNotFound):
        await images.get_image(client, pulled)


async def test_cancelling_a_pull(client: IncusClient, tiny: ImageServer) -> None:
    """A pull that is cancelled ends at Incus, too, and leaves no image."""
    is_running = asyncio.Event()

    def on_progress(progress: OperationProgress) -> None:
        if progress.percent:
            is_running.set()

    pull = images.pull_image(client, tiny.url, "tiny", "simplestreams", on_progress)
    task = asyncio.create_task(pull)
    async with asyncio.timeout(30):
        await is_running.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    tiny.hurry.set()
    async with asyncio.timeout(30):
        await tiny.was_hung_up_on.wait()
    assert await images.find_cached(client, tiny.url, "tiny") is None


async def test_an_image_that_is_not_there(client: IncusClient, tiny: ImageServer) -> None:
    """A server without the image and a server that is not there are errors of Incus."""
    with pytest.raises(IncusError, match="couldn't be found"):
        await images.pull_image(client, tiny.url, "huge", "simplestreams")
    with pytest.raises(IncusError, match="connection refused"):
        await images.pull_image(client, "http://127.0.0.1:1", "tiny", "simplestreams")
