# SPDX-License-Identifier: GPL-3.0-or-later
from datetime import UTC, datetime

import pytest

from kapsule.containers.from_instance import container_from_instance
from kapsule.incus.types import Instance

_OURS = {"user.kapsule.owner": "1000"}


def test_ours() -> None:
    """An instance with an owner is a container, in the words of the bus interface."""
    instance = Instance(
        name="dev",
        status="Running",
        created_at=datetime(2026, 2, 11, 6, 31, 22, 123456, tzinfo=UTC),
        config={**_OURS, "image.description": "Debian", "image.os": "debian"},
    )
    container = container_from_instance(instance)
    assert container
    assert (container.name, container.status, container.owner) == ("dev", "Running", 1000)
    assert (container.image, container.mode) == ("Debian", "Default")
    assert container.created == "2026-02-11T06:31:22.123456+00:00"
    assert container.is_ready


@pytest.mark.parametrize(("config", "image"), [({"image.os": "debian"}, "debian"), ({}, "unknown")])
def test_image_in_words(config: dict[str, str], image: str) -> None:
    """An image without a description is called by its system, else unknown."""
    container = container_from_instance(Instance(name="dev", config={**_OURS, **config}))
    assert container
    assert container.image == image
    assert container.created == ""


def test_foreign() -> None:
    """An instance that Kapsule did not make is none of its containers."""
    assert container_from_instance(Instance(name="dev")) is None


def test_virtual_machine() -> None:
    """A virtual machine is none, whatever keys it carries."""
    assert (
        container_from_instance(Instance(name="vm", type="virtual-machine", config=_OURS)) is None
    )


@pytest.mark.parametrize("owner", ["", "alice", "-1", "1e3", " 1000", "1000\n", "9" * 11, "\u0661"])
def test_owner_that_is_no_uid(owner: str) -> None:
    """A key that is no uid makes nobody an owner."""
    instance = Instance(name="dev", config={"user.kapsule.owner": owner})
    assert container_from_instance(instance) is None
