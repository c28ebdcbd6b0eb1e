# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from kapsule.errors import IncusError
from kapsule.incus import images
from kapsule.incus.client import IncusClient
from kapsule.incus.errors import IncusNotFound
from kapsule.incus.urls import path
from kapsule.testing.fake_incus import SUCCESS, WAIT_PATH, FakeIncus, background, operation, sync

SERVER = "https://images.example.org"
IMAGES = path("images")


def image(fingerprint: str, **changes: object) -> dict[str, object]:
    """An image that was fetched from SERVER as debian/13."""
    source = {"server": SERVER, "alias": "debian/13", "protocol": "simplestreams"}
    return {
        "fingerprint": fingerprint,
        "type": "container",
        "architecture": "x86_64",
        "uploaded_at": "2026-01-01T00:00:00Z",
        "update_source": source,
        **changes,
    }


async def test_an_alias_with_a_slash(client: IncusClient, incus: FakeIncus) -> None:
    """An alias is one name, slash or not."""
    incus.on("GET", "/1.0/images/aliases/debian%2F13", sync({"name": "debian/13", "target": "f"}))
    assert await images.get_alias(client, "debian/13") == "f"
    with pytest.raises(IncusNotFound):
        await images.get_alias(client, "absent")


async def test_cached_means_usable_here(client: IncusClient, incus: FakeIncus) -> None:
    """Only a container image for this machine counts, and the newest of them."""
    incus.on("GET", path(), sync({"environment": {"kernel_architecture": "x86_64"}}))
    incus.on(
        "GET",
        IMAGES,
        sync(
            [
                image("vm", type="virtual-machine", uploaded_at="2026-03-01T00:00:00Z"),
                image("arm", architecture="aarch64", uploaded_at="2026-03-01T00:00:00Z"),
                image("local", update_source=None),
                image("old"),
                image("new", uploaded_at="2026-02-01T00:00:00Z"),
            ]
        ),
    )
    found = await images.find_cached(client, SERVER + "/", "debian/13")
    assert found
    assert found.fingerprint == "new"
    assert await images.find_cached(client, SERVER, "debian/12") is None
    assert await images.find_cached(client, "https://other.example.org", "debian/13") is None


async def test_pull(client: IncusClient, incus: FakeIncus) -> None:
    """A pull asks for a container image and returns what it got."""
    incus.on("POST", IMAGES, background())
    incus.on("GET", WAIT_PATH, operation(SUCCESS, metadata={"fingerprint": "f"}))
    assert await images.pull_image(client, SERVER, "debian/13", "simplestreams") == "f"
    assert incus.seen[0].body == {
        "source": {
            "type": "image",
            "mode": "pull",
            "server": SERVER,
            "alias": "debian/13",
            "protocol": "simplestreams",
            "image_type": "container",
        },
        "auto_update": True,
    }


async def test_a_pull_without_result_is_an_error(client: IncusClient, incus: FakeIncus) -> None:
    """A success that does not say which image it is about is none."""
    incus.on("POST", IMAGES, background())
    incus.on("GET", WAIT_PATH, operation(SUCCESS))
    with pytest.raises(IncusError, match="debian/13"):
        await images.pull_image(client, SERVER, "debian/13", "simplestreams")
