# SPDX-License-Identifier: GPL-3.0-or-later
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kapsule.containers.backend import Backend
from kapsule.containers.guest import Guests
from kapsule.create.request import CreateContext
from kapsule.create.steps_guest import set_up_guest
from kapsule.errors import GuestError
from kapsule.session.guest_actions import DIRECTORY, GuestFile, files_to_wire
from kapsule.testing.fake_helper import FakeHelper, refusal
from kapsule.testing.fake_incus import FakeIncus, sync


@pytest.fixture
async def helper(
    context: CreateContext, incus: FakeIncus, tmp_path: Path
) -> AsyncIterator[FakeHelper]:
    """A scripted session helper, which answers for the run's new container."""
    incus.on("GET", "/1.0/instances/dev/state", sync({"status": "Running", "pid": os.getpid()}))
    backend = context.backend
    with FakeHelper(str(tmp_path / "helper")) as fake:
        guests = Guests(backend.incus, fake.address)
        context.backend = Backend(backend.incus, backend.registry, guests)
        yield fake


def _guest(hosts: str) -> dict[str, Any]:
    files = {"/etc": GuestFile(DIRECTORY), "/etc/hosts": GuestFile("file", hosts)}
    return {"files": files_to_wire(files)}


async def test_a_guest_that_changes_as_it_boots(context: CreateContext, helper: FakeHelper) -> None:
    """What the guest changes after the look at it is looked at again."""
    helper.on("read", _guest("1"), _guest("2"))
    helper.on("apply", refusal("It was changed"), {"undo": []})
    await set_up_guest(context)
    assert helper.asked == ["read", "apply", "read", "apply"]


async def test_a_guest_that_refuses(context: CreateContext, helper: FakeHelper) -> None:
    """What fails although nothing has changed is not tried again."""
    helper.on("read", _guest("1"))
    helper.on("apply", refusal("It is full"))
    with pytest.raises(GuestError, match="It is full"):
        await set_up_guest(context)
    assert helper.asked.count("apply") == 1


async def test_a_guest_that_never_rests(context: CreateContext, helper: FakeHelper) -> None:
    """A guest that keeps changing its files does not keep the run for ever."""
    helper.on("read", *(_guest(str(number)) for number in range(100)))
    helper.on("apply", refusal("It was changed"))
    with pytest.raises(GuestError, match="It was changed"):
        await set_up_guest(context)
    assert helper.asked.count("apply") == 3
