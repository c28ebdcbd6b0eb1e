# SPDX-License-Identifier: GPL-3.0-or-later
import json
import os
from pathlib import Path

import pytest

from kapsule.containers.container import Container
from kapsule.enter.missing import missing_directories
from kapsule.host.users import HostUser

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="takes root to act as another user")


def _user(home: Path) -> HostUser:
    return HostUser(0, 0, "root", str(home), "/bin/sh", (0,), "root")


def _container(*mounts: str, home: str = "") -> Container:
    config = {"user.kapsule.custom-mounts": json.dumps(mounts)} if mounts else {}
    config |= {"user.kapsule.home": home} if home else {}
    return Container("dev", "Running", 0, "", "", config)


async def test_nothing_named(tmp_path: Path) -> None:
    """A container that shares nothing by name has nothing to miss."""
    assert await missing_directories(_container(), _user(tmp_path)) == []


async def test_what_is_gone(tmp_path: Path) -> None:
    """Of what is named, that which is gone is told, however it was written down."""
    (tmp_path / "here").mkdir()
    container = _container("~/here", "~/gone:ro", f"{tmp_path}/away", home="~/house")
    gone = await missing_directories(container, _user(tmp_path))
    assert gone == [f"{tmp_path}/{name}" for name in ("gone", "away", "house")]


async def test_nonsense(tmp_path: Path) -> None:
    """What others wrote into the configuration keeps nobody out."""
    assert await missing_directories(_container("", "x", "~/../y"), _user(tmp_path)) == []
