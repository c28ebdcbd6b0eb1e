# SPDX-License-Identifier: GPL-3.0-or-later
"""The registry beside a real Incus: whoever changes something, it is known."""

import asyncio
import subprocess
from collections.abc import Iterator

import pytest

from kapsule.containers.backend import Backend
from kapsule.errors import IncusError
from kapsule.incus import instances
from tests.system.support.backend import make, own_backend, until
from tests.system.support.users import incus


@pytest.fixture
async def container(backend: Backend, fresh_name: str) -> str:
    """A running container of alice's."""
    await make(backend, fresh_name, image="local:busybox")
    return fresh_name


def _status(backend: Backend, name: str) -> str | None:
    container = backend.registry.find(name)
    return container.status if container else None


async def test_the_incus_command_is_followed(backend: Backend, container: str) -> None:
    """What the incus command does to a container is seen, and told once it shows."""
    told: list[str | None] = []
    backend.registry.subscribe(lambda: told.append(_status(backend, container)))
    for command, status in (("pause", "Frozen"), ("start", "Running"), ("stop", "Stopped")):
        incus(command, container, *(["--force"] if command == "stop" else []))
        await until(lambda status=status: _status(backend, container) == status)  # type: ignore[misc]
    incus("delete", container)
    await until(lambda: _status(backend, container) is None)
    assert told == ["Frozen", "Running", "Stopped", None]


async def test_renaming_is_followed(backend: Backend, container: str) -> None:
    """A container that the incus command renames has its new name only."""
    incus("stop", "--force", container)
    incus("rename", container, container + "x")
    await until(lambda: _status(backend, container + "x") == "Stopped")
    assert backend.registry.find(container) is None
    incus("delete", container + "x")


async def test_guest_powers_off(backend: Backend, fresh_name: str) -> None:
    """A guest that reboots runs again; one that powers itself off is stopped for us too."""
    await make(backend, fresh_name)
    first = await _pid(backend, fresh_name)
    incus("exec", fresh_name, "--", "reboot", "-f", check=False)
    while await _pid(backend, fresh_name) in (0, first):  # noqa: ASYNC110  # nobody tells
        await asyncio.sleep(0.05)
    await backend.registry.refresh(fresh_name)
    assert _status(backend, fresh_name) == "Running"
    incus("exec", fresh_name, "--", "poweroff", "-f", check=False)
    await until(lambda: _status(backend, fresh_name) == "Stopped")


async def _pid(backend: Backend, name: str) -> int:
    try:
        return (await instances.get_state(backend.incus, name)).pid
    except IncusError:  # while its init is just going away
        return 0


def _restart_incus() -> None:
    subprocess.run(["systemctl", "restart", "incus.service"], check=True)


async def test_incus_restarts(backend: Backend, container: str) -> None:
    """After a restart of Incus everything is followed again, without anybody's help."""
    _restart_incus()
    incus("stop", "--force", container)
    await until(lambda: _status(backend, container) == "Stopped")


@pytest.fixture
def foreign(fresh_name: str) -> Iterator[str]:
    """An instance that Kapsule did not make."""
    name = fresh_name + "f"
    incus("init", "busybox", name)
    yield name
    incus("delete", name)


async def test_foreign_instances_are_none_of_ours(backend: Backend, foreign: str) -> None:
    """What others made in Incus is not listed, not even when it is new or changes."""
    incus("config", "set", foreign, "user.colour=blue")
    assert await backend.registry.refresh(foreign) is None
    assert foreign not in [container.name for container in backend.registry.all()]


@pytest.mark.usefixtures("_no_daemon")
async def test_what_a_crash_left_is_removed(fresh_name: str) -> None:
    """A container whose creation was never finished is gone once a daemon looks."""
    keys = ["user.kapsule.owner=1000", "user.kapsule.setup-state=creating"]
    incus("launch", "busybox", fresh_name, *(f"--config={key}" for key in keys))
    async with own_backend() as backend:
        await until(lambda: backend.registry.find(fresh_name) is None)
    assert fresh_name not in incus("list", "--format=csv", "--columns=n").split()
