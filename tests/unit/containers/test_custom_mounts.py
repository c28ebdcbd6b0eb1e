# SPDX-License-Identifier: GPL-3.0-or-later
from pathlib import Path

import pytest

from kapsule.containers.custom_mounts import adapted_to_host, shared_directory
from kapsule.errors import InvalidArgument


def test_directory_that_is_there(tmp_path: Path) -> None:
    """A directory that is there is shared with what is mounted in it, and needs no change."""
    device = shared_directory(str(tmp_path), "/data")
    assert device["recursive"] == "true"
    assert adapted_to_host({"kapsule-mount-data": device}) == {}


def test_directory_that_went(tmp_path: Path) -> None:
    """One that is gone is waited for, without the option that Incus refuses then."""
    gone = str(tmp_path / "gone")
    changed = adapted_to_host({"kapsule-mount-data": shared_directory(gone, "/data")})
    device = changed["kapsule-mount-data"]
    assert device["required"] == "false"
    assert "recursive" not in device
    assert adapted_to_host(changed) == {}


def test_directory_that_came_back(tmp_path: Path) -> None:
    """One that is back is shared as before."""
    waiting = shared_directory(str(tmp_path), "/data", is_there=False)
    assert adapted_to_host({"kapsule-mount-data": waiting}) == {
        "kapsule-mount-data": shared_directory(str(tmp_path), "/data")
    }


def test_other_devices() -> None:
    """No other device is touched, least of all the home: without it a guest would start wrong."""
    home = shared_directory("/no/such/home", "/home/alice")
    assert adapted_to_host({"kapsule-home-alice": home, "root": {"type": "disk"}}) == {}


def test_link_in_the_way(tmp_path: Path) -> None:
    """A link that was put in a directory's place, or on the way to it, is not followed."""
    (tmp_path / "real/data").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("nowhere")
    for source in ("link", "link/data", "link/new", "dangling"):
        device = shared_directory(f"{tmp_path}/{source}", "/data")
        with pytest.raises(InvalidArgument, match="has become a link"):
            adapted_to_host({"kapsule-mount-data": device})
