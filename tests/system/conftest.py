# SPDX-License-Identifier: GPL-3.0-or-later
"""System tests run as root inside the box, where the daemon is installed and runs."""

import os
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from kapsule.containers.backend import Backend
from tests.system.support import traces
from tests.system.support.backend import own_backend
from tests.system.support.users import User, incus


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse to run on a machine that somebody lives on."""
    if any("tests/system" in str(item.path) for item in items) and os.uname().nodename != "box":
        pytest.exit("system tests run in the box: tests/box/run bookworm -- pytest tests/system")


@pytest.fixture(scope="session")
def alice() -> User:
    """An administrator: a member of the group that owns Incus's socket."""
    return User("alice")


@pytest.fixture(scope="session")
def bob() -> User:
    """A user without any privilege."""
    return User("bob")


@pytest.fixture(scope="session")
def root() -> User:
    """The box's root."""
    return User("root")


@pytest.fixture(scope="session")
def container(alice: User) -> Iterator[str]:
    """A running container of alice's that tests share; they leave it as they found it."""
    result = alice.kapsule("create", "shared", "--image", "local:debian")
    assert result.code == 0, result.error
    yield "shared"
    alice.kapsule("rm", "--force", "shared")


@pytest.fixture
def fresh_name(alice: User) -> Iterator[str]:
    """A name that no container has; what bears it at the end is deleted."""
    name = f"t{uuid.uuid4().hex[:12]}"
    yield name
    incus("delete", "--force", name, check=False)


@pytest.fixture
def traceless(fresh_name: str) -> Iterator[str]:
    """A name of which nothing is left at the end of the test, nor anything else that is new."""
    with traces.nothing_left(fresh_name):
        yield fresh_name


@pytest.fixture
def stormy(fresh_name: str) -> Iterator[str]:
    """The same for a test in which the daemon itself dies."""
    with traces.nothing_left(fresh_name, daemon_survives=False):
        yield fresh_name


@pytest.fixture
def small(alice: User, fresh_name: str) -> str:
    """A running container of alice's without much in it, for one test alone."""
    result = alice.kapsule("create", fresh_name, "--image", "local:busybox")
    assert result.code == 0, result.error
    return fresh_name


@pytest.fixture
def _sound_daemon() -> Iterator[None]:
    """The daemon survives the test, and nothing that it logs tells of a bug."""
    with traces.sound_daemon():
        yield


@pytest.fixture(scope="module")
def _no_daemon() -> Iterator[None]:
    """No daemon runs: it would take what a test creates by itself for left over."""
    is_active = ["systemctl", "is-active", "--quiet", "kapsule-daemon.service"]
    was_active = subprocess.run(is_active).returncode == 0
    subprocess.run(["systemctl", "stop", "kapsule-daemon.service"], check=was_active)
    yield
    if was_active:
        subprocess.run(["systemctl", "start", "kapsule-daemon.service"], check=True)


@pytest.fixture
async def backend(_no_daemon: None) -> AsyncIterator[Backend]:
    """The features without the daemon around them."""
    async with own_backend() as backend:
        yield backend
