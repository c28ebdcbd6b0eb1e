# SPDX-License-Identifier: GPL-3.0-or-later
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kapsule.containers.backend import Backend
from kapsule.containers.guest import Guests
from kapsule.containers.registry import Registry
from kapsule.errors import GuestError
from kapsule.incus.client import IncusClient
from kapsule.mounts.remove import remove_mount
from kapsule.testing.fake_helper import FakeHelper, refusal
from kapsule.testing.fake_incus import SUCCESS, WAIT_PATH, FakeIncus, background, operation, sync
from kapsule.testing.recording_progress import RecordingProgress
from kapsule.testing.users import ALICE

DEV = "/1.0/instances/dev"
MOUNTS = "user.kapsule.custom-mounts"


@pytest.fixture
async def incus(tmp_path: Path) -> AsyncIterator[FakeIncus]:
    """A scripted Incus with an isolated container of alice's that runs and shows /data."""
    config = {"user.kapsule.owner": str(ALICE.uid), MOUNTS: json.dumps(["/data"])}
    instance = {"name": "dev", "status": "Running", "config": config, "devices": {}}
    left = {**instance, "config": {"user.kapsule.owner": str(ALICE.uid)}}
    async with FakeIncus(str(tmp_path / "unix.socket")) as fake:
        # When it is looked for, its devices are, it is changed, and from then on.
        fake.on("GET", DEV, *[sync(instance, etag="1")] * 3, sync(left))
        fake.on("GET", DEV + "/state", sync({"status": "Running", "pid": os.getpid()}))
        fake.on("PUT", DEV, background())
        fake.on("GET", WAIT_PATH, operation(SUCCESS))
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


def _written(incus: FakeIncus) -> list[bool]:
    """Return of each change of the container whether the mount is written down by it."""
    return [MOUNTS in seen.body["config"] for seen in incus.seen if seen.method == "PUT"]


async def test_a_guest_that_gives_way(
    backend: Backend, incus: FakeIncus, helper: FakeHelper
) -> None:
    """It is taken out, written down, and taken out of what began in between."""
    helper.on("unmount", {"notes": []})
    progress = RecordingProgress()
    await remove_mount(backend, "dev", "/data", ALICE, progress)
    assert helper.asked == ["unmount", "unmount"]
    assert _written(incus) == [False]
    assert [text for _, text in progress.messages] == ["/data is no longer in the container"]


async def test_a_guest_that_keeps_it(
    backend: Backend, incus: FakeIncus, helper: FakeHelper
) -> None:
    """Where it cannot be taken out it is still shared, so that one can try again."""
    helper.on("unmount", refusal("It is busy"))
    helper.on("mount", {"notes": []})
    with pytest.raises(GuestError, match="It is busy"):
        await remove_mount(backend, "dev", "/data", ALICE, RecordingProgress())
    assert helper.asked == ["unmount", "mount"]
    assert _written(incus) == []


async def test_a_guest_that_hangs_at_the_end(
    backend: Backend, incus: FakeIncus, helper: FakeHelper
) -> None:
    """Once it is taken out and written down it stays so, and one is told what may be left."""
    helper.on("unmount", {"notes": []}, refusal("The container does not answer"))
    progress = RecordingProgress()
    await remove_mount(backend, "dev", "/data", ALICE, progress)
    assert helper.asked == ["unmount", "unmount"]
    assert _written(incus) == [False]
    (warning,) = progress.warnings
    assert "/data" in warning
    assert "does not answer" in warning
