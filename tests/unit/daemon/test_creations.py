# SPDX-License-Identifier: GPL-3.0-or-later
import asyncio
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from kapsule import names
from kapsule.config import Config
from kapsule.daemon.creations import Creations
from kapsule.errors import CallerError
from kapsule.testing.fake_polkit import FakePolkit, verdict
from kapsule.testing.users import ALICE

from .client import PROPERTIES
from .conftest import NOBODY, Become, launch
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
        stack.enter_context(creations.claim("d", BOB, is_exempt=False))
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


def test_whose_a_name_is() -> None:
    """The container's owner comes before those who would like to have its name."""
    creations = Creations(FakeContainers(container("a", owner=1000)), 5)
    with creations.claim("a", BOB, is_exempt=False):
        assert creations.owner("a") == 1000


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
