# SPDX-License-Identifier: GPL-3.0-or-later
import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapsule.create.mounts import (
    CustomMount,
    check_source,
    clean,
    home_folder,
    home_of,
    parse_mount,
    plan_custom_mounts,
    steps_down,
)
from kapsule.errors import InvalidArgument
from kapsule.testing.users import ALICE, user


def _plan(*paths: str, mounts_home: bool = False) -> tuple[str, ...]:
    mounts = plan_custom_mounts(paths, ALICE, mounts_home=mounts_home)
    return tuple(mount.path for mount in mounts)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("~", "/home/alice"),
        ("~/kde", "/home/alice/kde"),
        ("~/a/./b//", "/home/alice/a/b"),
        ("/data/", "/data"),
        ("//data", "/data"),
        ("/with space", "/with space"),
    ],
)
def test_expansion(path: str, expected: str) -> None:
    """A home and an absolute path are understood, and cleaned up."""
    assert _plan(path) == (expected,)


@pytest.mark.parametrize(
    ("text", "path", "read_only"),
    [
        ("/data:ro", "/data", True),
        ("~/x:ro", "/home/alice/x", True),
        ("/data:rw", "/data", False),
        ("/data:ro:rw", "/data:ro", False),
        ("/data:rw:ro", "/data:rw", True),
        ("/data:", "/data:", False),
    ],
)
def test_access(text: str, path: str, read_only: bool) -> None:
    """The last `:ro` or `:rw` says how it is shared, so every path can be written."""
    assert parse_mount(text, ALICE) == CustomMount(path, read_only)


def test_home_folder() -> None:
    """A directory of the host can stand for the home."""
    assert home_folder("~/boxes/dev/", ALICE) == "/home/alice/boxes/dev"
    assert home_folder("/srv/h:rw", ALICE) == "/srv/h"


@pytest.mark.parametrize("text", ["~", "/home/alice/", "~/x:ro", "h", "~/../bob"])
def test_home_folders_that_cannot_be(text: str) -> None:
    """The home itself, one that cannot be written to, and what is no path are refused."""
    with pytest.raises(InvalidArgument):
        home_folder(text, ALICE)


def test_order_is_kept() -> None:
    """Mounts come in the order in which they were named."""
    assert _plan("/z", "/a") == ("/z", "/a")


@pytest.mark.parametrize("path", ["", "data", "./data", "~bob/x", "$HOME/x", "~x"])
def test_relative_paths(path: str) -> None:
    """What a shell would have expanded, and what is relative, is refused with a hint."""
    with pytest.raises(InvalidArgument, match="not an absolute path") as raised:
        _plan(path)
    assert raised.value.hint


@pytest.mark.parametrize("path", ["~/../bob", "/data/..", "/..", "~/.."])
def test_climbing(path: str) -> None:
    """No path climbs, so none leaves the home that it names."""
    with pytest.raises(InvalidArgument, match="climbs"):
        _plan(path)


@pytest.mark.parametrize("path", ["/a\nb", "/a\0b", "/a\\040b", "/a\udcffb", "/a\x1bb"])
def test_characters(path: str) -> None:
    """Characters that a mount entry or a terminal would read otherwise are refused."""
    with pytest.raises(InvalidArgument, match="characters"):
        _plan(path)


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/etc", "/usr", "/var", "/proc", "/proc/1", "/sys", "/dev/shm", "/run/user/1000"),
        *("/.kapsule", "/.kapsule/host/home", "/bin", "/usr/lib", "/usr/lib/x", "/lib64"),
    ],
)
def test_places_of_the_guest(path: str) -> None:
    """A mount over what the guest boots from or owns is refused."""
    with pytest.raises(InvalidArgument, match="has its own there"):
        _plan(path)


@pytest.mark.parametrize("path", ["/etc/ssl", "/usr/local", "/var/lib/x", "/running", "/library"])
def test_places_that_only_look_like_it(path: str) -> None:
    """Directories inside or beside those are fine."""
    assert _plan(path) == (path,)


def test_duplicate() -> None:
    """The same directory twice, however it is written, is refused."""
    with pytest.raises(InvalidArgument, match="/home/alice/x is to be shared twice"):
        _plan("~/x", "/home/alice//x/")


@pytest.mark.parametrize("paths", [("/a", "/a/b"), ("/a/b", "/a")])
def test_nesting(paths: tuple[str, str]) -> None:
    """A directory inside another one that is shared too is refused, in whatever order."""
    with pytest.raises(InvalidArgument, match="/a/b lies in /a"):
        _plan(*paths)


def test_too_many() -> None:
    """A container has 64 at most; more are refused before they are looked at."""
    paths = [f"/a/{number}" for number in range(64)]
    assert len(_plan(*paths)) == 64
    with pytest.raises(InvalidArgument, match="64 custom mounts, not 65"):
        _plan(*paths, "relative")


@pytest.mark.parametrize("path", ["~" + "/a" * 32_000, "/" + "ä" * 2048, "/" + "/" * 5000])
def test_a_path_that_is_too_long(path: str) -> None:
    """What no path of the kernel's can be is refused before it is taken apart."""
    with pytest.raises(InvalidArgument, match="longer than a path can be"):
        _plan(path)
    assert _plan("/" + "a" * 4094) == ("/" + "a" * 4094,)


def test_home_that_is_shared_already() -> None:
    """The home itself is refused where it is shared anyway."""
    with pytest.raises(InvalidArgument, match="shared already"):
        _plan("~", mounts_home=True)


@pytest.mark.parametrize("home", ["/home/alice", "/home/alice/", "//home//alice/."])
def test_home(home: str) -> None:
    """A home is cleaned up: a slash at its end makes no difference."""
    assert home_of(user(home=home)) == "/home/alice"


@pytest.mark.parametrize("home", ["/", "//", "", "home", "/dev/null", "/usr/sbin", "/a/../.."])
def test_homes_that_are_none(home: str) -> None:
    """The homes of system accounts are not shared, least of all the root directory."""
    with pytest.raises(InvalidArgument, match="cannot be shared") as raised:
        home_of(user(home=home))
    assert "--no-mount-home" in raised.value.hint


@pytest.mark.parametrize("source", ["/", "/proc/1", "/dev", "/sys/kernel", "/.kapsule"])
def test_links_to_what_is_not_shared(source: str) -> None:
    """A path that leads to the root directory or the kernel's own trees is refused."""
    with pytest.raises(InvalidArgument, match="leads to"):
        check_source("/home/alice/link", source)


def test_links_elsewhere() -> None:
    """A path may lead to any other directory that the caller may read."""
    check_source("/home/alice/usb", "/run/media/alice/usb")


def test_steps_down() -> None:
    """The way from home to a directory, outermost first; none when it is not in home."""
    assert steps_down("/home/alice/a/b", "/home/alice") == ("/home/alice/a", "/home/alice/a/b")
    assert steps_down("/home/alice", "/home/alice") == ()
    assert steps_down("/home/alicex/a", "/home/alice") == ()
    assert steps_down("/a", "/") == ()


_paths = st.lists(st.sampled_from(["", ".", "..", "a", "b", "~", "etc", "home"]), max_size=6).map(
    lambda parts: "/" + "/".join(parts)
)


@given(_paths)
def test_clean_paths(path: str) -> None:
    """What comes out is absolute, normal and the same directory; what climbs does not come out."""
    try:
        cleaned = clean(path)
    except InvalidArgument:
        assert ".." in path.split("/")
        return
    assert cleaned == posixpath.normpath(cleaned)
    assert cleaned.startswith("/")
    assert not cleaned.startswith("//")
    assert [part for part in path.split("/") if part not in ("", ".")] == [
        part for part in cleaned.split("/") if part
    ]


@given(st.lists(_paths, max_size=5), st.booleans())
def test_plans_never_overlap(paths: list[str], mounts_home: bool) -> None:
    """Whatever is asked for, no planned mount is, holds or lies in another one."""
    try:
        planned = plan_custom_mounts(paths, ALICE, mounts_home=mounts_home)
    except InvalidArgument:
        return
    paths = [mount.path for mount in planned]
    for path in paths:
        assert path not in ("/", "/etc")
        others = [other for other in paths if other is not path]
        assert not any((path + "/").startswith(other + "/") for other in others)
