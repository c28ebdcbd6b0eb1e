# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers with a user namespace of their own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.isolated.guest import Guest, folder, mounted
from tests.system.support.users import User


@pytest.fixture(scope="package")
def writable(alice: User) -> Iterator[Path]:
    """A folder that is shared, with a file system mounted in it, and the host's /proc."""
    path = folder(alice, "isolated-writable")
    with mounted("tmpfs", path / "inner", owner=alice), mounted("proc", path / "kernel"):
        (path / "inner/note").write_text("mounted in it")
        yield path
    shutil.rmtree(path)


@pytest.fixture(scope="package")
def readable(alice: User) -> Iterator[Path]:
    """A folder that is shared for reading only, with a file system mounted in it."""
    path = folder(alice, "isolated-readable")
    with mounted("tmpfs", path / "inner", owner=alice):
        yield path
    shutil.rmtree(path)


@pytest.fixture(scope="package")
def guest(alice: User, writable: Path, readable: Path) -> Iterator[Guest]:
    """A running container of the trust `project` that tests share, with both folders."""
    guest = Guest("isolated", alice)
    shared = ("--custom-mounts", str(writable), "--custom-mounts", f"{readable}:ro")
    guest.create(*shared)
    guest.shell("true")
    yield guest
    guest.delete()


@pytest.fixture
def new_guest(alice: User, fresh_name: str) -> Guest:
    """A container for one test alone; the test creates it."""
    return Guest(fresh_name, alice)
