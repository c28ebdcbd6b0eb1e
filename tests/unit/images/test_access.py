# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from kapsule.images.access import may_use_image
from kapsule.incus.types import Image, UpdateSource

SERVER = UpdateSource(server="https://images.example", alias="x", protocol="simplestreams")
PRIVATE = UpdateSource(server="https://incus.example", alias="x", protocol="incus")


@pytest.mark.parametrize(
    ("image", "may"),
    [
        (Image(fingerprint="f"), False),
        (Image(fingerprint="f", public=True), True),
        (Image(fingerprint="f", update_source=SERVER), True),
        (Image(fingerprint="f", update_source=PRIVATE), False),
        (Image(fingerprint="f", properties={"user.kapsule.owner": "1000"}), True),
        (Image(fingerprint="f", properties={"user.kapsule.owner": "1001"}), False),
        (Image(fingerprint="f", properties={"user.kapsule.owner": ""}), False),
    ],
)
def test_who_may_use_an_image(image: Image, may: bool) -> None:
    """What is public, by its origin too, is everybody's; other images are their owners'."""
    assert may_use_image(image, 1000, is_admin=False) is may
    assert may_use_image(image, 1000, is_admin=True)
