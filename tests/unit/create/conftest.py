# SPDX-License-Identifier: GPL-3.0-or-later
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kapsule.containers.backend import Backend
from kapsule.containers.guest import Guests
from kapsule.containers.registry import Registry
from kapsule.create import CreateRequest
from kapsule.create.request import CreateContext
from kapsule.incus import operations
from kapsule.incus.client import IncusClient
from kapsule.testing.fake_incus import FakeIncus
from kapsule.testing.recording_progress import RecordingProgress
from kapsule.testing.users import ALICE


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
def progress() -> RecordingProgress:
    """What the run says."""
    return RecordingProgress()


@pytest.fixture
def context(client: IncusClient, progress: RecordingProgress) -> CreateContext:
    """A run that has not begun, for a container `dev` of Alice's."""
    request = CreateRequest("dev", "local:debian", {}, ALICE)
    backend = Backend(client, Registry(client), Guests(client))
    return CreateContext(backend, request, progress)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses: the scripted Incus needs no time."""
    monkeypatch.setattr(operations, "_POLL_INTERVAL", 0.02)
