# SPDX-License-Identifier: GPL-3.0-or-later
import re
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapsule.create.device_names import home_device, mount_device

_INCUS_ALLOWS = re.compile(r"[A-Za-z0-9/._:-]{1,64}\Z", re.ASCII)

_paths = st.lists(st.text("abc.-_ äöü+", min_size=1, max_size=30), min_size=1, max_size=6).map(
    lambda parts: "/" + "/".join(parts)
)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data", "kapsule-mount-data"),
        ("/srv/www.example.org", "kapsule-mount-srv-www-example-org"),
        ("/a-b", "kapsule-mount-a-b"),
    ],
)
def test_mount_device(path: str, name: str) -> None:
    """Scripts find a custom mount by the slug of its path."""
    assert mount_device(path, ()) == name


@pytest.mark.parametrize("path", ["/" + "x" * 60, "/with space", "/ünïcode", "/a+b"])
def test_mount_device_hashed(path: str) -> None:
    """A path whose slug is too long for Incus, or illegal, gives a name by its hash."""
    assert mount_device(path, ()) == "kapsule-mount-" + sha256(path.encode()).hexdigest()[:12]


def test_slugs_that_collide() -> None:
    """Two paths with the same slug get two devices."""
    first = mount_device("/a-b", ())
    second = mount_device("/a/b", {first})
    assert second == "kapsule-mount-" + sha256(b"/a/b").hexdigest()[:12]


def test_path_that_looks_like_a_hash() -> None:
    """Not even a path made to look like another one's hash takes its device away."""
    slug = mount_device("/a-b", ())
    impostor = mount_device("/" + sha256(b"/a/b").hexdigest()[:12], {slug})
    assert mount_device("/a/b", {slug, impostor}) not in {slug, impostor}


@given(st.lists(_paths, unique=True, max_size=20))
def test_mount_devices_never_collide(paths: list[str]) -> None:
    """Any set of paths gives as many names, and Incus takes each of them."""
    taken: list[str] = []
    for path in paths:
        taken.append(mount_device(path, taken))
    assert len(set(taken)) == len(paths)
    assert all(map(_INCUS_ALLOWS.match, taken))


@pytest.mark.parametrize("user", ["alice", "john.doe", "x_y-z"])
def test_home_device(user: str) -> None:
    """Scripts find a home by the name of its user."""
    assert home_device(user) == f"kapsule-home-{user}"


@given(st.text("aB9._-\\@ $ä", min_size=1, max_size=80), st.text("aB9._-\\@ $ä", min_size=1))
def test_home_devices_never_collide(one: str, other: str) -> None:
    """Different users have different devices, whatever their names are made of."""
    assert _INCUS_ALLOWS.match(home_device(one))
    assert (home_device(one) == home_device(other)) == (one == other)
