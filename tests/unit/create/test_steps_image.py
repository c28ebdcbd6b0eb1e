# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import pytest

from kapsule.create.request import CreateContext
from kapsule.create.steps_image import cache_image, image_defaults, merge, read_image_defaults
from kapsule.errors import IncusError, IncusUnavailable, InvalidArgument, NotFound
from kapsule.images.resolve import resolve_image
from kapsule.incus.types import Image
from kapsule.testing.fake_incus import (
    FAILURE,
    SUCCESS,
    WAIT_PATH,
    FakeIncus,
    background,
    error,
    operation,
    sync,
)
from kapsule.testing.recording_progress import RecordingProgress

IMAGES = "/1.0/images"
ALIAS = "/1.0/images/aliases/debian"
SERVER = "https://images.linuxcontainers.org"
REMOTE = "images:debian/12"


def _want(context: CreateContext, spec: str) -> None:
    context.request = replace(context.request, image=spec)
    context.source = resolve_image(spec)


def _script_server(incus: FakeIncus) -> None:
    incus.on("GET", "/1.0", sync({"environment": {"kernel_architecture": "x86_64"}}))


async def test_local(context: CreateContext, incus: FakeIncus) -> None:
    """A local image is found by its alias."""
    _want(context, "local:debian")
    incus.on("GET", ALIAS, sync({"name": "debian", "target": "f1"}))
    incus.on("GET", f"{IMAGES}/f1", sync({"fingerprint": "f1", "public": True}))
    await cache_image(context)
    assert context.fingerprint == "f1"


async def test_local_that_is_not_for_the_caller(context: CreateContext, incus: FakeIncus) -> None:
    """An image of an administrator's is like one that is missing, but for administrators."""
    _want(context, "local:debian")
    with pytest.raises(NotFound) as missing:
        await cache_image(context)
    incus.on("GET", ALIAS, sync({"name": "debian", "target": "f1"}))
    incus.on("GET", f"{IMAGES}/f1", sync({"fingerprint": "f1"}))
    with pytest.raises(NotFound) as hidden:
        await cache_image(context)
    assert hidden.value.to_text() == missing.value.to_text()
    context.request = replace(context.request, is_admin=True)
    await cache_image(context)
    assert context.fingerprint == "f1"


async def test_local_that_is_missing(context: CreateContext, incus: FakeIncus) -> None:
    """A local alias that is not there is not found, with a hint."""
    _want(context, "local:debian")
    with pytest.raises(NotFound, match="no local image 'debian'") as raised:
        await cache_image(context)
    assert "image list" in raised.value.hint


async def test_local_cannot_be_asked(context: CreateContext, incus: FakeIncus) -> None:
    """An Incus that does not answer is not the same as an image that is missing."""
    _want(context, "local:debian")
    incus.on("GET", ALIAS, error(503, "starting"))
    with pytest.raises(IncusUnavailable):
        await cache_image(context)


async def test_fetched_before(context: CreateContext, incus: FakeIncus) -> None:
    """An image that was fetched before is used without the network."""
    _want(context, REMOTE)
    _script_server(incus)
    source = {"server": SERVER, "alias": "debian/12", "protocol": "simplestreams"}
    image = {"fingerprint": "f2", "architecture": "x86_64", "update_source": source}
    incus.on("GET", IMAGES, sync([image]))
    await cache_image(context)
    assert context.fingerprint == "f2"
    assert incus.count("POST", IMAGES) == 0


async def test_fetched(
    context: CreateContext, incus: FakeIncus, progress: RecordingProgress
) -> None:
    """An image that is not there is fetched, which shows."""
    _want(context, REMOTE)
    _script_server(incus)
    incus.on("GET", IMAGES, sync([]))
    incus.on("POST", IMAGES, background())
    incus.on("GET", WAIT_PATH, operation(SUCCESS, metadata={"fingerprint": "f3"}))
    await cache_image(context)
    assert context.fingerprint == "f3"
    assert progress.bars == ["Fetching image images:debian/12"]


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("The requested image couldn't be found", NotFound, "has no image 'debian/12'"),
        ("dial tcp: lookup failed", IncusError, "cannot be fetched from https://images"),
    ],
)
async def test_not_fetched(
    context: CreateContext, incus: FakeIncus, text: str, kind: type[IncusError], message: str
) -> None:
    """A server without the image, and one that does not answer, are told apart."""
    _want(context, REMOTE)
    _script_server(incus)
    incus.on("GET", IMAGES, sync([]))
    incus.on("POST", IMAGES, background())
    incus.on("GET", WAIT_PATH, operation(FAILURE, text))
    with pytest.raises(kind, match=message):
        await cache_image(context)


async def test_image_of_a_virtual_machine(context: CreateContext, incus: FakeIncus) -> None:
    """An image for virtual machines is refused before anything is made of it."""
    context.fingerprint = "f1"
    image = {"fingerprint": "f1", "type": "virtual-machine"}
    incus.on("GET", "/1.0/images/f1", sync(image))
    with pytest.raises(InvalidArgument, match="for virtual machines"):
        await read_image_defaults(context)


def _image(**properties: str) -> Image:
    keys = {key.replace("__", "."): value for key, value in properties.items()}
    return Image(fingerprint="f" * 64, properties=keys)


def test_defaults_of_an_image() -> None:
    """An image's own defaults come from its server, else from its metadata."""
    ours = '{"mount_home": false}'
    assert image_defaults(_image()) == {}
    assert image_defaults(_image(kapsule__default_options=ours)) == {"mount_home": False}
    both = _image(
        requirements__kapsule_default_options='{"gpu": false}', kapsule__default_options=ours
    )
    assert image_defaults(both) == {"gpu": False}


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000])
def test_defaults_that_are_nonsense(text: str) -> None:
    """Defaults that cannot be understood are an error: leaving them out could share more."""
    with pytest.raises(InvalidArgument, match="default options of image ffffffffffff"):
        image_defaults(_image(kapsule__default_options=text))


async def test_precedence(context: CreateContext, progress: RecordingProgress) -> None:
    """The caller's word counts before the image's, and that before the table's."""
    context.image_defaults = {"mount_home": False, "host_rootfs": False, "colour": "blue"}
    context.request = replace(context.request, options={"host_rootfs": True})
    await merge(context)
    assert context.options["mount_home"] is False
    assert context.options["host_rootfs"] is True
    assert context.options["gpu"] is True
    (warning,) = progress.warnings
    assert "'colour' is left out" in warning
