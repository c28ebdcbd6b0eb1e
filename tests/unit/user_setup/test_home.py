# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from kapsule.session.guest_actions import Action, CopyTree, GuestFile, MakeDirectory
from kapsule.user_setup.home import home_path, mounts_in_home, plan_home

from .guests import host_user

HOME = "/home/alice"
SKELETON = GuestFile("directory", mode=0o755, entries=(".bashrc", ".profile"))
COPY = CopyTree("/etc/skel", HOME, 1000, 1000)


def directory(
    uid: int, entries: tuple[str, ...] | None = (), *, mounted: bool = False
) -> GuestFile:
    """Return a directory that is there already."""
    return GuestFile("directory", None, 0o755, uid, uid, entries, mounted=mounted)


def plan(home: GuestFile | None, skeleton: GuestFile | None = SKELETON) -> list[Action]:
    """Plan alice's home; her account had the uid 1500 before."""
    return plan_home({HOME: home, "/etc/skel": skeleton}, host_user(), {1500})


def test_a_missing_home_is_made_and_filled() -> None:
    """It belongs to the user and to nobody else, its parents to root."""
    make = MakeDirectory(HOME, 0o700, 1000, 1000, parents=True)
    assert plan(None) == [make, COPY]
    assert plan(None, None) == [make]


@pytest.mark.parametrize("uid", [0, 1000, 1500, 4711])
@pytest.mark.parametrize("entries", [(), ("file",), None])
def test_a_mounted_home_is_never_touched(uid: int, entries: tuple[str, ...] | None) -> None:
    """It is the host's, whoever it belongs to."""
    assert plan(directory(uid, entries, mounted=True)) == []


def test_an_empty_folder_as_home_is_filled() -> None:
    """With the user's rights. One that has something but mounts in it, or is not theirs, stays."""

    def plan_folder(home: GuestFile) -> list[Action]:
        files = {HOME: home, "/etc/skel": SKELETON}
        return plan_home(files, host_user(), {1500}, folder={"src"})

    assert plan_folder(directory(1000, ("src",), mounted=True)) == [COPY._replace(as_user=True)]
    assert plan_folder(directory(1000, mounted=True)) == [COPY._replace(as_user=True)]
    assert plan_folder(directory(1000, ("file",), mounted=True)) == []
    assert plan_folder(directory(1000, None, mounted=True)) == []
    assert plan_folder(directory(0, mounted=True)) == []


def test_what_mounts_need_in_the_home() -> None:
    """The first name of those that lie in it, however they are written."""
    texts = ["~/src/a:ro", f"{HOME}/doc", "/srv/x", "~", "~/b:rw"]
    assert mounts_in_home(texts, host_user()) == {"src", "doc", "~", "b"}


@pytest.mark.parametrize("uid", [0, 1500])
def test_an_empty_home_of_root_or_of_the_former_uid_becomes_the_users(uid: int) -> None:
    """Incus makes such a directory to mount at; another comes with an account of our name."""
    assert plan(directory(uid)) == [MakeDirectory(HOME, 0o755, 1000, 1000), COPY]


def test_a_home_of_somebody_else_stays() -> None:
    """It is neither given away nor filled; nor is a directory of root's with something in it."""
    assert plan(directory(4711)) == []
    assert plan(directory(0, ("srv",))) == []


def test_a_home_that_only_holds_mounts_is_filled() -> None:
    """The creation made it the user's as the parent of a mount; the skeleton is still missing."""
    assert plan(directory(1000, ("kde",))) == [COPY]
    assert plan(directory(1000, ("kde", ".profile"))) == []
    assert plan(directory(1000, None)) == []


@pytest.mark.parametrize("kind", ["file", "symlink", "other"])
def test_what_is_no_directory_stays(kind: str) -> None:
    """A file or a link in the home's place is left alone."""
    assert plan(GuestFile(kind, "")) == []


@pytest.mark.parametrize("home", ["/", "//", "", "relative", "/.."])
def test_the_root_directory_is_no_home(home: str) -> None:
    """A system account's home "/" is neither made nor given away."""
    user = host_user(home=home)
    assert plan_home({home_path(user): directory(0)}, user, set()) == []
    assert plan_home({}, user, set()) == []


def test_slashes_at_the_end_do_not_count() -> None:
    """The same directory is meant."""
    assert home_path(host_user(home="/home/alice//")) == HOME
