# SPDX-License-Identifier: GPL-3.0-or-later
"""The command against a daemon on a private bus that says what it is told."""

import signal
from collections.abc import Iterator

import pytest

from kapsule.testing.fake_daemon import FakeDaemon
from kapsule.testing.private_bus import private_bus


@pytest.fixture(autouse=True)
def _interrupts() -> Iterator[None]:
    """Have programs take interrupts, also where the tests run in a shell's background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a bus that nobody else uses."""
    with private_bus(tmp_path_factory.mktemp("bus")) as found:
        yield found


@pytest.fixture
def daemon(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeDaemon]:
    """A daemon on the private bus, which is our system bus."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    with FakeDaemon(address) as running:
        yield running


@pytest.fixture
def no_daemon(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system bus on which nobody owns the daemon's name."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
