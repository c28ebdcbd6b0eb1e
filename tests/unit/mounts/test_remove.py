# SPDX-License-Identifier: GPL-3.0-or-later
import json
import os

import pytest

from kapsule.containers.backend import Backend
from kapsule.errors import GuestError
from kapsule.mounts.remove import remove_mount
from kapsule.testing.fake_helper import FakeHelper, refusal
from kapsule.testing.fake_incus import SUCCESS, WAIT_PATH, FakeIncus, background, operation, sync
from kapsule.testing.recording_progress import RecordingProgress
from kapsule.testing.users import ALICE

DEV = "/1.0/instances/dev"
MOUNTS = "user.kapsule.custom-mounts"


@pytest.fixture(autouse=True)
def _container(incus: FakeIncus) -> None:
    """Script an isolated container of alice's that runs and shows /data."""
    config = {"user.kapsule.owner": str(ALICE.uid), MOUNTS: json.dumps(["/data"])}
    instance = {"name": "dev", "status": "Running", "config": config, "devices": {}}
    left = {**instance, "config": {"user.kapsule.owner": str(ALICE.uid)}}
    # When it is looked for, its devices are, it is changed, and from then on.
    incus.on("GET", DEV, *[sync(instance, etag="1")] * 3, sync(left))
    incus.on("GET", DEV + "/state", sync({"status": "Running", "pid": os.getpid()}))
    incus.on("PUT", DEV, background())
    incus.on("GET", WAIT_PATH, operation(SUCCESS))


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
