# SPDX-License-Identifier: GPL-3.0-or-later
import json

import pytest

from kapsule.errors import AlreadyExists, InvalidArgument
from kapsule.incus.types import InstanceUpdate
from kapsule.mounts import paths
from kapsule.testing.users import ALICE, user

KEY = "user.kapsule.custom-mounts"


def _config(*texts: str, **keys: str) -> dict[str, str]:
    return {KEY: json.dumps(texts), **{f"user.kapsule.{key}": keys[key] for key in keys}}


def test_the_caller_is_the_owner() -> None:
    """What the owner typed is written down as it is."""
    assert paths.text_for("~/x:ro", ALICE, ALICE) == "~/x:ro"


def test_the_caller_is_somebody_else() -> None:
    """Root's home is not the owner's, so root's path is written out."""
    root = user(name="root", home="/root")
    root = type(root)(0, 0, "root", "/root", "/bin/sh", (0,), "root")
    assert paths.text_for("~/x:ro", root, ALICE) == "/root/x:ro"


@pytest.mark.parametrize("text", ["/data", "/data/", "/data:ro"])
def test_twice(text: str) -> None:
    """A path is shared once, however it is written."""
    with pytest.raises(AlreadyExists):
        paths.check_new(_config("/data:ro"), text, ALICE)


def test_within_another() -> None:
    """No mount lies in another one."""
    with pytest.raises(InvalidArgument, match="lies in"):
        paths.check_new(_config("/data"), "/data/x", ALICE)


def test_one_too_many() -> None:
    """A container that has 64 gets no further one."""
    config = _config(*(f"/a/{number}" for number in range(64)))
    with pytest.raises(InvalidArgument, match="64 custom mounts, not 65"):
        paths.check_new(config, "/b", ALICE)


@pytest.mark.parametrize("keys", [{"mount-home": "true"}, {"home": "/srv/h"}])
def test_the_home(keys: dict[str, str]) -> None:
    """Where something is mounted at the home, the home itself cannot be shared."""
    with pytest.raises(InvalidArgument, match="your home"):
        paths.check_new(_config(**keys), "~", ALICE)
    assert paths.check_new(_config(), "~", ALICE).path == "/home/alice"


def test_without() -> None:
    """Device and text go together; another device at the path is not ours to take."""
    device = {"type": "disk", "path": "/home/alice/x"}
    before = InstanceUpdate(
        config=_config("~/x:ro", "/y"),
        devices={"kapsule-mount-home-alice-x": device, "mine": device},
    )
    after = paths.without(before, "/home/alice/x", ALICE)
    assert after.config == _config("/y")
    assert dict(after.devices) == {"mine": device}
    assert paths.without(after, "/home/alice/x", ALICE) == after


def test_without_the_last() -> None:
    """No key is left where there is no mount."""
    after = paths.without(InstanceUpdate(config=_config("/y")), "/y", ALICE)
    assert after.config == {}
