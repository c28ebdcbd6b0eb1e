# SPDX-License-Identifier: GPL-3.0-or-later
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from kapsule.create.host_directories import (
    find_directory,
    make_directories,
    missing_directories,
    remove_directories,
)
from kapsule.errors import InvalidArgument
from kapsule.host.users import HostUser
from kapsule.testing.users import ALICE

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as somebody else")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that only Alice may read, in directories that everybody may pass."""
    for each in (tmp_path, *tmp_path.parents[:-2]):
        each.chmod(each.stat().st_mode | 0o011)
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    os.chown(home, ALICE.uid, ALICE.gid)
    return home


@pytest.fixture
def alice(home: Path) -> HostUser:
    """Alice, at home there."""
    return replace(ALICE, home=str(home))


def _secret(home: Path) -> Path:
    secret = home.parent / "secret"
    secret.mkdir(mode=0o700)
    return secret


async def test_real_path(alice: HostUser, home: Path) -> None:
    """A directory is found by its real path, through any link that the user may follow."""
    _link(home, "link", home)
    assert await find_directory(alice, str(home)) == str(home)
    assert await find_directory(alice, f"{home}/link") == str(home)


async def test_with_the_users_rights(alice: HostUser, home: Path) -> None:
    """What the user may not read is refused, also by way of a link in the home."""
    secret = _secret(home)
    _link(home, "link", secret)
    for path in (str(secret), f"{home}/link", f"{secret}/deeper"):
        with pytest.raises(InvalidArgument, match="Permission denied"):
            await find_directory(alice, path)


async def test_what_is_no_directory(alice: HostUser, home: Path) -> None:
    """A file, a FIFO and a loop of links are refused without waiting for anything."""
    _touch(home / "file")
    os.mkfifo(home / "fifo", 0o666)
    _link(home, "loop", Path("loop"))
    for name in ("file", "fifo", "loop"):
        with pytest.raises(InvalidArgument, match="cannot be shared"):
            await find_directory(alice, f"{home}/{name}")


async def test_missing(alice: HostUser, home: Path) -> None:
    """What is missing in the home can be made; elsewhere it is an error."""
    assert await find_directory(alice, f"{home}/a/b") is None
    with pytest.raises(InvalidArgument, match="does not exist") as raised:
        await find_directory(alice, f"{home.parent}/nothing")
    assert raised.value.hint


async def test_made_as_the_user(alice: HostUser, home: Path) -> None:
    """Directories are made with the user's rights, and are the user's."""
    _mkdir(home / "a", ALICE.uid)
    missing = await missing_directories(alice, f"{home}/a/b/c", str(home))
    assert missing == (f"{home}/a/b", f"{home}/a/b/c")
    before = os.umask(0o077)  # the daemon's
    try:
        await make_directories(alice, missing)
    finally:
        os.umask(before)
    status = os.stat(home / "a/b/c")
    assert (status.st_uid, status.st_gid) == (ALICE.uid, ALICE.gid)
    assert stat.S_IMODE(status.st_mode) == 0o755
    await remove_directories(alice, (*missing, f"{home}/a/b/c/never-made"))
    assert os.listdir(home / "a") == []


async def test_as_deep_as_a_path_can_be(alice: HostUser, home: Path) -> None:
    """All of it is made, and removed again."""
    made = [f"{home}{'/xx' * number}" for number in range(1, 1300)]
    await make_directories(alice, made)
    assert await find_directory(alice, made[-1]) == made[-1]
    await remove_directories(alice, made)
    assert os.listdir(home) == []


async def test_a_name_that_is_too_long(alice: HostUser, home: Path) -> None:
    """The reason is told; no directory is made."""
    with pytest.raises(InvalidArgument, match="File name too long"):
        await make_directories(alice, [f"{home}/{'x' * 200_000}"])
    assert os.listdir(home) == []


async def test_not_made_through_a_link(alice: HostUser, home: Path) -> None:
    """A link in the home does not lead root anywhere."""
    secret = _secret(home)
    _link(home, "link", secret)
    with pytest.raises(InvalidArgument, match="Permission denied"):
        await make_directories(alice, [f"{home}/link/new"])
    assert os.listdir(secret) == []


async def test_what_is_in_use_stays(alice: HostUser, home: Path) -> None:
    """Directories that are not empty any more are not removed."""
    made = [f"{home}/a", f"{home}/a/b"]
    await make_directories(alice, made)
    _touch(home / "a/file")
    await remove_directories(alice, made)
    assert os.listdir(home / "a") == ["file"]


def _link(home: Path, name: str, target: Path) -> None:
    (home / name).symlink_to(target)


def _touch(path: Path) -> None:
    path.touch()


def _mkdir(path: Path, owner: int) -> None:
    path.mkdir()
    os.chown(path, owner, owner)
