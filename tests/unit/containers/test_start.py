# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from kapsule.containers.backend import Backend
from kapsule.containers.guest import Guests
from kapsule.containers.registry import Registry
from kapsule.containers.start import start_container
from kapsule.errors import IncusError
from kapsule.incus.client import IncusClient
from kapsule.incus.errors import IncusOperationLost
from kapsule.testing.fake_incus import (
    FAILURE,
    OPERATION_PATH,
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
ALREADY = operation(FAILURE, "The instance is already running")
LOCKED = error(500, "database is locked")


@pytest.fixture
def backend(client: IncusClient, registry: Registry) -> Backend:
    """What the features work with, with a scripted Incus."""
    return Backend(client, registry, Guests(client))


def _look(status: str) -> Answer:
    config = {"user.kapsule.owner": "1000"}
    return sync({"name": "dev", "status": status, "config": config, "devices": {}})


def _script(incus: FakeIncus, before: str, *after: Answer, outcome: Answer) -> None:
    """Script a container: its status, then each look after the change of its state was tried."""
    looks_before = 1 if before == "Frozen" else 2  # the second is for its devices
    incus.on("GET", DEV, *[_look(before)] * looks_before, *after)
    incus.on("PUT", STATE, background())
    incus.on("GET", WAIT_PATH, outcome, operation(SUCCESS))


def _actions(incus: FakeIncus) -> list[str]:
    return [seen.body["action"] for seen in incus.seen if seen.method == "PUT"]


@pytest.mark.parametrize(("status", "action"), [("Stopped", "start"), ("Frozen", "unfreeze")])
async def test_somebody_else_was_faster(
    backend: Backend, incus: FakeIncus, status: str, action: str
) -> None:
    """A container that somebody else starts meanwhile runs, which is what was wanted."""
    _script(incus, status, _look("Running"), outcome=ALREADY)
    await start_container(backend, "dev", RecordingProgress())
    assert _actions(incus) == [action]
    assert backend.registry.get("dev").status == "Running"


async def test_somebody_else_is_about_to(backend: Backend, incus: FakeIncus) -> None:
    """What somebody else is starting when we fail is left to run."""
    busy = operation(FAILURE, 'Instance is busy running a "start" operation')
    _script(incus, "Stopped", _look("Stopped"), _look("Running"), outcome=busy)
    with pytest.raises(IncusError, match="busy running"):
        await start_container(backend, "dev", RecordingProgress())
    assert _actions(incus) == ["start"]


async def test_a_look_that_fails_stops_nothing_of_others(
    backend: Backend, incus: FakeIncus
) -> None:
    """When a later step fails, what somebody else started is not stopped."""
    _script(incus, "Stopped", _look("Running"), LOCKED, _look("Running"), outcome=ALREADY)
    with pytest.raises(IncusError, match="database is locked"):
        await start_container(backend, "dev", RecordingProgress())
    assert _actions(incus) == ["start"]


@pytest.mark.parametrize(
    ("status", "actions"), [("Stopped", ["start", "stop"]), ("Frozen", ["unfreeze", "freeze"])]
)
async def test_our_own_is_taken_back(
    backend: Backend, incus: FakeIncus, status: str, actions: list[str]
) -> None:
    """What we started ourselves is as it was when a later step fails."""
    _script(incus, status, LOCKED, _look("Running"), outcome=operation(SUCCESS))
    with pytest.raises(IncusError, match="database is locked"):
        await start_container(backend, "dev", RecordingProgress())
    assert _actions(incus) == actions


async def test_lost_from_sight(backend: Backend, incus: FakeIncus) -> None:
    """A start whose end Incus forgot is taken for ours, so that nothing is left half-done."""
    _script(incus, "Stopped", _look("Running"), outcome=error(404, "not found"))
    incus.on("GET", OPERATION_PATH, error(404, "not found"))
    with pytest.raises(IncusOperationLost):
        await start_container(backend, "dev", RecordingProgress())
    assert _actions(incus) == ["start", "stop"]
