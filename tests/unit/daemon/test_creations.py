# SPDX-License-Identifier: GPL-3.0-or-later
import asyncio
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from kapsule import names
from kapsule.config import Config
from kapsule.daemon.creations import Creations
from kapsule.errors import AlreadyExists, CallerError
from kapsule.testing.fake_polkit import FakePolkit, verdict
from kapsule.testing.users import ALICE

from .client import PROPERTIES, Client
from .conftest import NOBODY, Become, Daemon, launch
from .fakes import FakeContainers, container

BOB = replace(ALICE, uid=1001, name="bob")


def test_the_limit_counts_what_is_there_and_what_is_coming() -> None:
    """Several at the same time do not pass it together."""
    creations = Creations(FakeContainers(container("a", owner=1000), container("x")), 3)
    with ExitStack() as stack:
        for name in ("b", "c"):
            stack.enter_context(creations.claim(name, ALICE, is_exempt=False))
        with (
            pytest.raises(CallerError, match="may have 3 containers") as raised,
            creations.claim("d", ALICE, is_exempt=False),
        ):
            pass
        assert "max_containers" in raised.value.hint
        stack.enter_context(creations.claim("e", BOB, is_exempt=False))
        stack.enter_context(creations.claim("d", ALICE, is_exempt=True))
    with creations.claim("d", ALICE, is_exempt=False):
        pass


def test_one_name_counts_once() -> None:
    """Two who enter the same missing container make one of it."""
    creations = Creations(FakeContainers(), 1)
    with (
        creations.claim("a", ALICE, is_exempt=False),
        creations.claim("a", ALICE, is_exempt=False),
    ):
        assert creations.owner("a") == 1000
    assert creations.owner("a") is None


def test_no_limit() -> None:
    """0 stands for any number."""
    creations = Creations(FakeContainers(*(container(f"c{n}", 1000) for n in range(99))), 0)
    with creations.claim("a", ALICE, is_exempt=False):
        pass


@pytest.mark.parametrize("name", ["a", "b"])
def test_whose_a_name_is(name: str) -> None:
    """Nobody creates what is somebody else's, or about to be."""
    creations = Creations(FakeContainers(container("a", owner=1000)), 0)
    with creations.claim("b", ALICE, is_exempt=False):
        assert creations.owner(name) == 1000
        with (
            pytest.raises(AlreadyExists, match="belongs to another user"),
            creations.claim(name, BOB, is_exempt=True),
        ):
            pass
    assert creations.owner("b") is None


async def test_the_lock_of_somebody_elses(client: Client, daemon: Daemon) -> None:
    """Who asks for its name is refused while an operation holds it, and does not line up for it."""
    async with daemon.containers.lock("alices"):
        path = await client.call("CreateContainer", "ssa{sv}", "alices", "x", {})
        completed = await client.wait_for("Completed", path)
    assert completed.body[0] is False
    assert "belongs to another user" in completed.body[1]
    assert daemon.work.calls == []


async def test_two_creations_at_once(bus_address: str, become: Become) -> None:
    """Of two that would pass the limit together, one fails, and says why; then there is room."""
    daemon = await launch(bus_address, limits=Config(max_containers=1))
    going = asyncio.Event()

    async def work(_: object) -> None:
        await going.wait()

    daemon.work.work = work
    async with FakePolkit(bus_address, lambda call: verdict(call, yes=True)):
        nobody = await become(NOBODY.pw_uid)
        paths = [
            str(await nobody.call("CreateContainer", "ssa{sv}", name, "x", {}))
            for name in ("a", "b")
        ]
        to: dict[str, Any] = {"path": paths[0], "interface": PROPERTIES}
        await nobody.call("GetAll", "s", names.OPERATION_INTERFACE, **to)
        refused = await nobody.status(paths[1])
        assert refused["Status"] == "failed"
        assert "User 'nobody' may have 1 containers" in refused["ErrorMessage"]
        going.set()
        assert (await nobody.status(paths[0]))["Status"] == "completed"
        path = str(await nobody.call("CreateContainer", "ssa{sv}", "b", "x", {}))
        assert (await nobody.status(path))["Status"] == "completed"
    daemon.stop.set()
    await daemon.task
