# SPDX-License-Identifier: GPL-3.0-or-later
"""A private bus, a daemon on it that says what it is told, and a client."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kapsule.client.bus import Bus
from kapsule.testing.fake_daemon import FakeDaemon
from kapsule.testing.private_bus import private_bus


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a bus that nobody else uses."""
    directory: Path = tmp_path_factory.mktemp("bus")
    with private_bus(directory) as found:
        yield found


@pytest.fixture
def daemon(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    """A daemon on the private bus, which is our system bus."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    with FakeDaemon(address) as running:
        yield running


@pytest.fixture
def bus(daemon: FakeDaemon) -> Iterator[Bus]:
    """A client of that daemon."""
    with Bus() as connected:
        yield connected
