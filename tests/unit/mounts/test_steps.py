# SPDX-License-Identifier: GPL-3.0-or-later
import json
import os

from kapsule.containers.backend import Backend
from kapsule.containers.start import START, start_container
from kapsule.mounts.steps import own_parents
from kapsule.testing.fake_incus import SUCCESS, WAIT_PATH, FakeIncus, background, operation, sync
from kapsule.testing.recording_progress import RecordingProgress

DEV = "/1.0/instances/dev"


async def test_a_guest_that_stops_at_once(backend: Backend, incus: FakeIncus) -> None:
    """Where the parents of mounts cannot be given to their owner, the start is no failure."""
    assert own_parents in [step.run for step in START.steps]
    config = {
        "user.kapsule.owner": str(os.getuid()),
        "user.kapsule.custom-mounts": json.dumps(["~/a/b"]),
        "security.privileged": "true",
    }
    instance = {"name": "dev", "config": config, "devices": {}}
    stopped = sync({**instance, "status": "Stopped"})
    incus.on("GET", DEV, stopped, stopped, sync({**instance, "status": "Running"}))
    incus.on("GET", DEV + "/state", sync({"status": "Stopped", "pid": 0}))
    incus.on("PUT", DEV + "/state", background())
    incus.on("GET", WAIT_PATH, operation(SUCCESS))
    await start_container(backend, "dev", RecordingProgress())
    assert [seen.body["action"] for seen in incus.seen if seen.method == "PUT"] == ["start"]
