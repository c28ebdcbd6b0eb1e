# SPDX-License-Identifier: GPL-3.0-or-later
import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kapsule.host import file_watch
from kapsule.host.file_watch import follow_files, places
from kapsule.linux import inotify


class Watched:
    """A file that is watched. count: how often it may have changed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._told = asyncio.Event()

    def changed(self) -> None:
        self.count += 1
        self._told.set()

    async def expect(self) -> None:
        """Wait for a change, and for those that come with it."""
        async with asyncio.timeout(10):
            await self._told.wait()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
        self._told.clear()


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    """The file etc/x, which does not exist."""
    (tmp_path / "etc").mkdir()
    watched = Watched(tmp_path / "etc/x")
    task = asyncio.create_task(follow_files([str(watched.path)], watched.changed))
    await watched.expect()
    yield watched
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_a_file_comes_changes_and_goes(watched: Watched) -> None:
    """Written, replaced by another and removed: each is told."""
    watched.path.write_text("1")
    await watched.expect()
    (watched.path.parent / "y").write_text("2")
    (watched.path.parent / "y").rename(watched.path)
    await watched.expect()
    watched.path.unlink()
    await watched.expect()


async def test_other_files_are_nobodys_business(watched: Watched) -> None:
    """What happens beside the file is not told: only the file, and what was before the watch."""
    (watched.path.parent / "other").write_text("x")
    await watched.settle()
    watched.path.write_text("x")
    await watched.expect()
    assert watched.count == 2


async def test_links_are_followed_wherever_they_lead(watched: Watched, tmp_path: Path) -> None:
    """A link to what does not exist yet, its directory, the file there, another directory."""
    watched.path.symlink_to("../run/resolver/conf")
    await watched.expect()
    (tmp_path / "run").mkdir()
    await watched.expect()
    (tmp_path / "run/resolver").mkdir()
    await watched.expect()
    (tmp_path / "run/resolver/conf").write_text("x")
    await watched.expect()
    (tmp_path / "run/resolver").rename(tmp_path / "gone")
    await watched.expect()
    (tmp_path / "run/resolver").mkdir()
    await watched.expect()
    (tmp_path / "run/resolver/conf").write_text("y")
    await watched.expect()


async def test_a_directory_that_goes_and_comes_back(watched: Watched) -> None:
    """Its watch goes with it; what comes in its place is watched as well."""
    os.rmdir(watched.path.parent)
    await watched.expect()
    watched.path.parent.mkdir()
    await watched.expect()
    watched.path.write_text("x")
    await watched.expect()


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    """Links that lead to each other are watched, both of them."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert places([str(tmp_path / "a")]) == {str(tmp_path): {"a", "b"}}


async def test_without_inotify_they_are_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel gives no watches, changes are suspected now and then."""

    def refuse() -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(inotify, "open_queue", refuse)
    monkeypatch.setattr(file_watch, "_POLL_INTERVAL", 0.01)
    told = asyncio.Event()
    task = asyncio.create_task(follow_files(["/nowhere"], told.set))
    async with asyncio.timeout(10):
        await told.wait()
    task.cancel()
