# SPDX-License-Identifier: GPL-3.0-or-later
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kapsule.containers.backend import Backend
from kapsule.containers.guest import Guests
from kapsule.containers.registry import Registry
from kapsule.incus.client import IncusClient
from kapsule.testing.fake_helper import FakeHelper
from kapsule.testing.fake_incus import FakeIncus


@pytest.fixture
async def incus(tmp_path: Path) -> AsyncIterator[FakeIncus]:
    """A scripted Incus that is up."""
    async with FakeIncus(str(tmp_path / "unix.socket")) as fake:
        yield fake


@pytest.fixture
async def helper(tmp_path: Path) -> AsyncIterator[FakeHelper]:
    """A scripted session helper."""
    with FakeHelper(str(tmp_path / "helper")) as fake:
        yield fake


@pytest.fixture
async def backend(incus: FakeIncus, helper: FakeHelper) -> AsyncIterator[Backend]:
    """What the features work with, with both."""
    client = IncusClient(incus.socket_path)
    yield Backend(client, Registry(client), Guests(client, helper.address))
    await client.close()
