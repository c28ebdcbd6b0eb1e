# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from kapsule.containers.backend import Backend
from kapsule.containers.guest import Guests
from kapsule.containers.registry import Registry
from kapsule.containers.stop import stop_container
from kapsule.errors import IncusError, IncusUnavailable
from kapsule.incus.client import IncusClient
from kapsule.testing.fake_incus import (
    FAILURE,
    SUCCESS,
    WAIT_PATH,
    Answer,
    FakeIncus,
    background,
    error,
    operation,
    sync,
)
from kapsule.testing.recording_progress import RecordingProgress

DEV = "/1.0/instances/dev"
STATE = DEV + "/state"


@pytest.fixture
def backend(client: IncusClient, registry: Registry) -> Backend:
    """What the features work with, with a scripted Incus."""
    return Backend(client, registry, Guests(client))


def _script(incus: FakeIncus, status: str, *outcomes: Answer) -> None:
    """Script a running container that has this status once its stop was tried."""
    config = {"user.kapsule.owner": "1000"}
    running = {"name": "dev", "status": "Running", "config": config}
    incus.on("GET", DEV, sync(running), sync({**running, "status": status}))
    incus.on("PUT", STATE, background())
    incus.on("GET", WAIT_PATH, *outcomes)


def _requests(incus: FakeIncus) -> list[object]:
    return [seen.body["force"] for seen in incus.seen if seen.method == "PUT"]


async def test_late_but_clean(backend: Backend, incus: FakeIncus) -> None:
    """A guest that has stopped although Incus gave up waiting is not killed."""
    progress = RecordingProgress()
    _script(incus, "Stopped", operation(FAILURE, "deadline exceeded"))
    await stop_container(backend, "dev", force=False, progress=progress)
    assert _requests(incus) == [False]
    assert progress.warnings == []


async def test_forced_and_said(backend: Backend, incus: FakeIncus) -> None:
    """A guest that still runs then is killed, and the warning says why."""
    progress = RecordingProgress()
    _script(incus, "Running", operation(FAILURE, "deadline exceeded"), operation(SUCCESS))
    await stop_container(backend, "dev", force=False, progress=progress)
    assert _requests(incus) == [False, True]
    (warning,) = progress.warnings
    assert "deadline exceeded" in warning
    assert "by force" in warning


async def test_force_that_fails(backend: Backend, incus: FakeIncus) -> None:
    """When not even force helps, Incus's reason comes through."""
    _script(incus, "Running", operation(FAILURE, "cannot kill"))
    with pytest.raises(IncusError, match="cannot kill"):
        await stop_container(backend, "dev", force=True, progress=RecordingProgress())


async def test_incus_goes_away(backend: Backend, incus: FakeIncus) -> None:
    """An Incus that goes away in the middle is no reason to use force."""
    _script(incus, "Running", operation(SUCCESS))
    incus.on("PUT", STATE, error(503, "shutting down"))
    with pytest.raises(IncusUnavailable):
        await stop_container(backend, "dev", force=False, progress=RecordingProgress())
    assert _requests(incus) == [False]
