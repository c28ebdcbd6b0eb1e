# SPDX-License-Identifier: GPL-3.0-or-later
from pathlib import Path

import pytest

from kapsule.containers.custom_mounts import (
    adapted_to_host,
    lists_below,
    shared_directory,
    stored_mounts,
    with_mounts,
)
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
    home = shared_directory("/no/such/home", "/no/such/home")
    assert adapted_to_host({"kapsule-home-alice": home, "root": {"type": "disk"}}) == {}


def test_a_home_that_was_chosen(tmp_path: Path) -> None:
    """A directory that stands for the home is the user's choice, and can go like any other."""
    gone = shared_directory(str(tmp_path / "gone"), "/home/alice")
    changed = adapted_to_host({"kapsule-home-alice": gone})
    assert changed["kapsule-home-alice"]["required"] == "false"


def test_read_only_that_went(tmp_path: Path) -> None:
    """One that is shared for reading only stays so."""
    gone = shared_directory(str(tmp_path / "gone"), "/data", read_only=True)
    device = adapted_to_host({"kapsule-mount-data": gone})["kapsule-mount-data"]
    assert (device["readonly"], device["required"]) == ("true", "false")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "7", '{"a": 1}'])
def test_stored_nonsense(text: str) -> None:
    """What others wrote into the configuration does no harm."""
    assert stored_mounts({"user.kapsule.custom-mounts": text}) == ()


def test_stored_mounts() -> None:
    """What is written down is read again, and without any there is no key."""
    config = with_mounts({"a": "b"}, ["~/x", "/y:ro"])
    assert stored_mounts(config) == ("~/x", "/y:ro")
    assert with_mounts(config, []) == {"a": "b"}


def test_link_in_the_way(tmp_path: Path) -> None:
    """A link that was put in a directory's place, or on the way to it, is not followed."""
    (tmp_path / "real/data").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("nowhere")
    for source in ("link", "link/data", "link/new", "dangling"):
        device = shared_directory(f"{tmp_path}/{source}", "/data")
        with pytest.raises(InvalidArgument, match="has become a link"):
            adapted_to_host({"kapsule-mount-data": device})


@pytest.mark.parametrize(
    ("point", "below"),
    [(b"/data/x", True), (b"/data", False), (b"/dat", False), (b"/data2", False)],
)
def test_mounts_below(point: bytes, below: bool) -> None:
    """What is mounted in a directory is found, also beside a mount point that is no UTF-8."""
    other = b"25 1 0:22 / /mnt/\xff\r rw - fuse.x x rw\n"
    table = [other, b"26 1 0:23 / " + point + b" rw - tmpfs tmpfs rw\n"]
    assert lists_below("/data", table) is below
    assert not lists_below("/other", table)


def test_mounts_below_an_odd_directory() -> None:
    """A directory's own odd letters are compared as the kernel writes them."""
    table = [b"26 1 0:23 / /a\\040b\\134c\xc3\xa4/x rw - tmpfs tmpfs rw\n"]
    assert lists_below(r"/a b\cä", table)
