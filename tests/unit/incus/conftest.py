# SPDX-License-Identifier: GPL-3.0-or-later
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kapsule.incus import instances, operations
from kapsule.incus.client import IncusClient
from kapsule.testing.fake_incus import FakeIncus


@pytest.fixture
async def incus(tmp_path: Path) -> AsyncIterator[FakeIncus]:
    """A scripted Incus that is up."""
    async with FakeIncus(str(tmp_path / "unix.socket")) as fake:
        yield fake


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[IncusClient]:
    """A client of the scripted Incus, whether that is up or not."""
    client = IncusClient(str(tmp_path / "unix.socket"))
    yield client
    await client.close()


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses: the scripted Incus needs no time."""
    monkeypatch.setattr(operations, "_POLL_INTERVAL", 0.02)
    monkeypatch.setattr(instances, "_UPDATE_PAUSE", 0.001)
