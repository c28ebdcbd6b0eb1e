# SPDX-License-Identifier: GPL-3.0-or-later
"""A container that becomes somebody else's while somebody waits to enter it."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from kapsule.containers.backend import Backend
from kapsule.containers.delete import delete_container
from kapsule.create import CreateRequest, create_container
from kapsule.enter import enter_container
from kapsule.enter.request import EnterRequest
from kapsule.errors import NotAuthorized
from kapsule.testing.recording_progress import RecordingProgress
from tests.system.support.backend import account, make
from tests.system.support.users import User, incus


@pytest.fixture
def null() -> Iterator[int]:
    """A descriptor to stand for input and output."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("root", [True, False])
async def test_the_name_goes_to_somebody_else(
    backend: Backend, alice: User, bob: User, fresh_name: str, null: int, root: bool
) -> None:
    """Bob waits to enter his own; until it is his turn, it is gone, and Alice has the name."""
    progress = RecordingProgress()
    await make(backend, fresh_name, owner=bob.account.pw_name, trust="sealed", network="none")
    incus("stop", "--force", fresh_name)
    await backend.registry.refresh(fresh_name)
    caller = await account(bob.account.pw_name)
    request = EnterRequest(fresh_name, ("id",), "/", {}, (null,) * 3, caller, root=root)

    async def delete() -> None:
        async with backend.registry.lock(fresh_name):
            await delete_container(backend, fresh_name, force=True, progress=progress)

    other = await account(alice.account.pw_name)
    wanted = CreateRequest(fresh_name, "local:debian", {}, other, may_be_privileged=True)

    async def create() -> None:
        async with backend.registry.lock(fresh_name):
            await create_container(backend, wanted, progress)

    async with backend.registry.lock(fresh_name):  # some operation of Bob's, as long as he likes
        waiting = asyncio.create_task(enter_container(backend, request, progress))
        await asyncio.sleep(0)
        others = [asyncio.create_task(delete())]
        await asyncio.sleep(0)
        others.append(asyncio.create_task(create()))
        await asyncio.sleep(0)
    await asyncio.gather(*others)
    with pytest.raises(NotAuthorized, match="belongs to another user"):
        await waiting
    found = backend.registry.get(fresh_name)
    assert (found.owner, found.is_set_up_for(caller.uid)) == (alice.account.pw_uid, False)
