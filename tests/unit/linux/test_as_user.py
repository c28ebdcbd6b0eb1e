# SPDX-License-Identifier: GPL-3.0-or-later
import asyncio
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from kapsule.host.users import HostUser
from kapsule.linux import as_user
from kapsule.linux.as_user import open_as, read_small_file

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as somebody else")

ALICE = HostUser(54321, 54321, "alice", "/home/alice", "/bin/sh", (54321, 54400), "alice")
ROOT = HostUser(0, 0, "root", "/root", "/bin/sh", (0,), "root")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may enter."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


def make_file(path: Path, text: str, *, uid: int = 0, gid: int = 0, mode: int = 0o600) -> str:
    """Write a file of that owner and mode, and return its path."""
    path.write_text(text)
    os.chown(path, uid, gid)
    path.chmod(mode)
    return str(path)


def test_a_file_of_the_user_can_be_opened(folder: Path) -> None:
    """What the user owns can be opened, and the descriptor does not survive exec."""
    descriptor = open_as(ALICE, make_file(folder / "own", "x", uid=ALICE.uid), os.O_RDONLY)
    try:
        assert not os.get_inheritable(descriptor)
        assert os.read(descriptor, 10) == b"x"
    finally:
        os.close(descriptor)


def test_root_only_files_stay_shut(folder: Path) -> None:
    """A file that only root may read is refused, although the process is root."""
    path = make_file(folder / "secret", "x")
    with pytest.raises(PermissionError):
        open_as(ALICE, path, os.O_RDONLY)
    os.close(open_as(ROOT, path, os.O_RDONLY))


def test_supplementary_groups_count(folder: Path) -> None:
    """A file that one of the user's groups may read can be opened; root's groups do not help."""
    os.close(open_as(ALICE, make_file(folder / "team", "", gid=54400, mode=0o640), os.O_RDONLY))
    with pytest.raises(PermissionError):
        open_as(ALICE, make_file(folder / "wheel", "", gid=0, mode=0o640), os.O_RDONLY)


def test_a_folder_that_is_closed_to_the_user_hides_what_is_in_it(folder: Path) -> None:
    """A readable file in a folder that the user may not enter is refused."""
    (folder / "closed").mkdir(mode=0o700)
    path = make_file(folder / "closed" / "file", "x", mode=0o644)
    with pytest.raises(PermissionError):
        open_as(ALICE, path, os.O_RDONLY)


def test_the_calling_thread_keeps_its_credentials(folder: Path) -> None:
    """After the call this thread and its groups are what they were."""
    before = os.getgroups(), Path("/proc/thread-self/status").read_text().split("CapEff")[1][:20]
    os.close(open_as(ALICE, make_file(folder / "own", "x", uid=ALICE.uid), os.O_RDONLY))
    after = os.getgroups(), Path("/proc/thread-self/status").read_text().split("CapEff")[1][:20]
    assert before == after
    assert (folder / "own").read_text() == "x"


def test_links_into_the_process_itself_are_not_followed(folder: Path) -> None:
    """A link to one of our own open descriptors does not open it again for the user."""
    with open(make_file(folder / "open", "x", mode=0o644)) as file:
        (folder / "link").symlink_to(f"/proc/self/fd/{file.fileno()}")
        with pytest.raises(OSError, match="link"):
            open_as(ALICE, str(folder / "link"), os.O_RDONLY)


def test_a_path_with_a_nul_is_refused(folder: Path) -> None:
    """A path is never cut at a NUL."""
    make_file(folder / "a", "x", uid=ALICE.uid)
    with pytest.raises(OSError, match="Invalid argument"):
        open_as(ALICE, str(folder / "a") + "\0b", os.O_RDONLY)


async def test_a_small_file_is_read(folder: Path) -> None:
    """The content comes back, up to the very limit."""
    path = make_file(folder / "small", "12345", uid=ALICE.uid)
    assert await read_small_file(ALICE, path, limit=5) == b"12345"
    with pytest.raises(OSError, match="too large"):
        await read_small_file(ALICE, path, limit=4)


async def test_only_regular_files_are_read(folder: Path) -> None:
    """A FIFO, a socket, an endless device and a folder are errors at once, not waits."""
    os.mkfifo(folder / "fifo", 0o666)
    (folder / "null").symlink_to("/dev/zero")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "socket"))
    with listener:
        for name in ("fifo", "null", "socket", "../.."):
            with pytest.raises(OSError, match=name):
                await read_small_file(ROOT, str(folder / name))


async def test_a_hanging_file_system_takes_no_more_than_its_share() -> None:
    """When one user's accesses hang, further ones are refused, and others are served."""
    release = threading.Event()
    hanging: list[Future[bool]] = []
    start: Callable[[HostUser, Callable[[], bool]], Future[bool]] = as_user._start
    try:
        hanging += [start(ALICE, release.wait) for _ in range(8)]
        with pytest.raises(OSError, match="hang"):
            start(ALICE, release.wait)
        assert await read_small_file(ROOT, "/etc/passwd")
    finally:
        release.set()
    assert all(await asyncio.gather(*map(asyncio.wrap_future, hanging)))
    with pytest.raises(FileNotFoundError):
        open_as(ALICE, "/nowhere", os.O_RDONLY)
