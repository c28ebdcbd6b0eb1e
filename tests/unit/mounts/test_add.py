# SPDX-License-Identifier: GPL-3.0-or-later
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from kapsule.containers.backend import Backend
from kapsule.errors import AlreadyExists
from kapsule.mounts.add import add_mount
from kapsule.testing.fake_incus import FakeIncus, error, sync
from kapsule.testing.recording_progress import RecordingProgress
from kapsule.testing.users import ALICE

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as somebody else")

DEV = "/1.0/instances/dev"


def _stopped(*mounts: str) -> dict[str, object]:
    config = {
        "user.kapsule.owner": str(ALICE.uid),
        "user.kapsule.custom-mounts": json.dumps(mounts),
    }
    return {"name": "dev", "status": "Stopped", "config": config, "devices": {}}


@pytest.mark.parametrize("was_faster", [False, True])
async def test_somebody_else_adds_it_meanwhile(
    backend: Backend, incus: FakeIncus, tmp_path: Path, was_faster: bool
) -> None:
    """A mount that somebody else wrote down before us, or as we did, is not taken back for ours."""
    shared = tmp_path / "home/data"
    shared.mkdir(parents=True)
    for each in (shared, *shared.parents[:-2]):
        each.chmod(each.stat().st_mode | 0o055)
    owner = replace(ALICE, home=str(tmp_path / "home"))
    looks = [sync(_stopped(), etag="1")] * (3 if was_faster else 2)
    incus.on("GET", DEV, *looks, sync(_stopped("~/data"), etag="2"))
    incus.on("PUT", DEV, error(412, "ETag does not match"))
    with pytest.raises(AlreadyExists):
        await add_mount(backend, "dev", "~/data", owner, RecordingProgress())
    assert incus.count("PUT", DEV) == was_faster
