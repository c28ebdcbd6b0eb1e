# SPDX-License-Identifier: GPL-3.0-or-later
import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kapsule.containers import registry as registry_module
from kapsule.containers.registry import Registry
from kapsule.incus import operations
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


@pytest.fixture
def registry(client: IncusClient) -> Registry:
    """A registry that has not loaded anything."""
    return Registry(client)


@pytest.fixture
async def following(registry: Registry) -> AsyncIterator[Registry]:
    """A registry that follows Incus while the test runs."""
    task = asyncio.create_task(registry.follow())
    yield registry
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses: the scripted Incus needs no time."""
    monkeypatch.setattr(operations, "_POLL_INTERVAL", 0.02)
    monkeypatch.setattr(registry_module, "_FIRST_PAUSE", 0.01)
    monkeypatch.setattr(registry_module, "_LONGEST_PAUSE", 0.02)
