# SPDX-License-Identifier: GPL-3.0-or-later
import asyncio
import json
from collections.abc import Callable

import pytest
from aiohttp import web

from kapsule.containers.registry import Registry
from kapsule.errors import Busy, IncusUnavailable, NotFound
from kapsule.testing.fake_incus import (
    FAILURE,
    SUCCESS,
    WAIT_PATH,
    Answer,
    FakeIncus,
    background,
    error,
    held,
    messages,
    operation,
    sync,
)

LIST = "/1.0/instances"
DEV = "/1.0/instances/dev"
EVENTS = "/1.0/events"


def instance(name: str = "dev", *, status: str = "Running", **config: str) -> dict[str, object]:
    """Return one of our containers as Incus describes it. config: keys behind user.kapsule."""
    keys = {f"user.kapsule.{key.replace('_', '-')}": value for key, value in config.items()}
    return {"name": name, "status": status, "config": {"user.kapsule.owner": "1000", **keys}}


def event(action: str, name: str = "dev", **metadata: object) -> str:
    """Return a lifecycle event about an instance."""
    source = f"/1.0/instances/{name}"
    return json.dumps(
        {"type": "lifecycle", "metadata": {"action": action, "source": source, **metadata}}
    )


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # there is nothing to be told by
            await asyncio.sleep(0.005)


def _names(registry: Registry) -> list[str]:
    return [container.name for container in registry.all()]


async def test_nothing_known_yet(registry: Registry) -> None:
    """Before Incus answered, a container is not missing but unknown."""
    assert not registry.is_loaded
    with pytest.raises(IncusUnavailable):
        registry.get("dev")


async def test_one_request_for_all(incus: FakeIncus, following: Registry) -> None:
    """All containers come with one request, sorted, without what is foreign or unfinished."""
    foreign = {"name": "other", "config": {}}
    vm = {**instance("vm"), "type": "virtual-machine"}
    incus.on("GET", EVENTS, messages(silent=True))
    incus.on("GET", LIST, sync([instance("zed"), foreign, vm, instance("dev")]))
    await until(lambda: following.is_loaded)
    assert _names(following) == ["dev", "zed"]
    assert [each.path for each in incus.seen] == [EVENTS, LIST]
    assert following.get("dev").owner == 1000
    with pytest.raises(NotFound, match="Container 'other' does not exist"):
        following.get("other")


async def test_changes_made_elsewhere(incus: FakeIncus, following: Registry) -> None:
    """A guest that powers off, as an event tells, is read again and told of."""
    gate = asyncio.Event()
    told: list[str] = []
    following.subscribe(lambda: told.append(following.get("dev").status))
    incus.on("GET", EVENTS, _speaks_after(gate, event("instance-shutdown")))
    incus.on("GET", LIST, sync([instance()]))
    incus.on("GET", DEV, sync(instance(status="Stopped")))
    await until(lambda: following.is_loaded)
    await until(lambda: told == ["Running"])
    gate.set()
    await until(lambda: told == ["Running", "Stopped"])


async def test_a_state_whose_end_nobody_tells_of(incus: FakeIncus, following: Registry) -> None:
    """What Incus said when it came back was between two states; it is asked again."""
    incus.on("GET", EVENTS, messages(silent=True))
    incus.on("GET", LIST, sync([instance(status="Error")]))
    incus.on("GET", DEV, error(503, "starting"), sync(instance(status="Running")))
    await until(lambda: following.is_loaded)
    assert following.get("dev").status == "Error"
    await until(lambda: following.get("dev").status == "Running")


async def test_deleted_elsewhere(incus: FakeIncus, following: Registry) -> None:
    """An instance that is gone is no container any more."""
    incus.on("GET", EVENTS, messages(event("instance-deleted"), silent=True))
    incus.on("GET", LIST, sync([instance()]))
    await until(lambda: following.is_loaded and following.find("dev") is None)


async def test_renamed_elsewhere(incus: FakeIncus, following: Registry) -> None:
    """A container that was renamed has its new name only."""
    renamed = event("instance-renamed", "new", context={"old_name": "dev"})
    incus.on("GET", EVENTS, messages(renamed, silent=True))
    incus.on("GET", LIST, sync([instance()]))
    incus.on("GET", "/1.0/instances/new", sync(instance("new")))
    await until(lambda: _names(following) == ["new"])


async def test_events_that_change_nothing(incus: FakeIncus, following: Registry) -> None:
    """Neither a command in a guest, nor an image, nor another project costs a request."""
    nothing = [
        event("instance-exec"),
        event("instance-file-pushed"),
        event("image-created"),
        event("instance-started", project="user-1000"),
    ]
    incus.on("GET", EVENTS, messages(*nothing, event("instance-updated"), silent=True))
    incus.on("GET", LIST, sync([]))
    incus.on("GET", DEV, sync(instance()))
    await until(lambda: following.find("dev") is not None)
    assert incus.count("GET", DEV) == 1


async def test_incus_goes_away(incus: FakeIncus, following: Registry) -> None:
    """When the stream ends, what is known stays known, and everything is listed anew."""
    incus.on("GET", EVENTS, messages(), messages(silent=True))
    incus.on("GET", LIST, sync([instance()]), sync([instance(status="Stopped")]))
    await until(lambda: bool(following.find("dev")))
    await until(lambda: following.get("dev").status == "Stopped")


async def test_nonsense_does_not_end_it(incus: FakeIncus, following: Registry) -> None:
    """A message that cannot be understood costs a connection, not the registry."""
    incus.on("GET", EVENTS, messages("{"), messages(silent=True))
    incus.on("GET", LIST, error(500, "not now"), sync([instance()]))
    await until(lambda: _names(following) == ["dev"])


async def test_refresh_is_seen_at_once(incus: FakeIncus, registry: Registry) -> None:
    """Whoever changed a container reads its new state back without waiting for an event."""
    incus.on("GET", DEV, sync(instance(status="Stopped")), error(404, "gone"))
    read = await registry.refresh("dev")
    assert read is registry.find("dev")
    assert registry.get("dev").status == "Stopped"
    assert await registry.refresh("dev") is None
    assert registry.find("dev") is None


async def test_refresh_without_incus(incus: FakeIncus, registry: Registry) -> None:
    """A failure to ask is not an answer: the container stays."""
    incus.on("GET", DEV, sync(instance()), error(503, "starting"))
    await registry.refresh("dev")
    with pytest.raises(IncusUnavailable):
        await registry.refresh("dev")
    assert registry.get("dev")


async def test_answers_do_not_overtake(incus: FakeIncus, registry: Registry) -> None:
    """Two reads at once end with the newer answer, however slow the older one is."""
    gate = asyncio.Event()
    incus.on("GET", DEV, held(gate, sync(instance())), sync(instance(status="Stopped")))
    reads = [asyncio.create_task(registry.refresh("dev")) for _ in range(2)]
    await until(lambda: incus.count("GET", DEV) == 1)
    gate.set()
    await asyncio.gather(*reads)
    assert registry.get("dev").status == "Stopped"


async def test_callbacks_are_coalesced(incus: FakeIncus, registry: Registry) -> None:
    """What does not show is not told, and a change is told once."""
    told: list[None] = []
    registry.subscribe(lambda: told.append(None))
    incus.on("GET", DEV, sync(instance()), sync(instance(mapped="true")))
    await registry.refresh("dev")
    await registry.refresh("dev")
    await asyncio.sleep(0)
    assert len(told) == 1


async def test_unfinished_is_not_ready(incus: FakeIncus, registry: Registry) -> None:
    """A container that is being created is not listed, and using it is refused as too early."""
    incus.on("GET", DEV, sync(instance(setup_state="creating")))
    await registry.refresh("dev")
    assert registry.all() == ()
    assert registry.find("dev")
    with pytest.raises(Busy, match="Container 'dev' is still being created"):
        registry.get("dev")


def _script_removal(incus: FakeIncus, *outcomes: Answer) -> None:
    incus.on("GET", DEV, sync(instance(setup_state="creating")))
    incus.on("GET", DEV + "/state", sync({"status": "Running", "pid": 7}))
    incus.on("PUT", DEV + "/state", background())
    incus.on("DELETE", DEV, background())
    incus.on("GET", WAIT_PATH, *outcomes)


async def test_left_over_is_removed(incus: FakeIncus, following: Registry) -> None:
    """What a daemon that died was creating is removed once Incus answers."""
    incus.on("GET", EVENTS, messages(silent=True))
    incus.on("GET", LIST, sync([instance(setup_state="creating"), instance("fine")]))
    _script_removal(incus, operation(SUCCESS))
    await until(lambda: incus.count("DELETE", DEV) == 1)
    assert incus.count("PUT", DEV + "/state") == 1
    assert incus.count("DELETE", "/1.0/instances/fine") == 0


async def test_left_over_that_incus_works_on(incus: FakeIncus, following: Registry) -> None:
    """While Incus is still at work on it, removing it is tried again."""
    incus.on("GET", EVENTS, messages(silent=True))
    incus.on("GET", LIST, sync([instance(setup_state="creating")]))
    busy = operation(FAILURE, 'Instance is busy running a "create" operation')
    _script_removal(incus, busy, busy, operation(SUCCESS))
    await until(lambda: incus.count("DELETE", DEV) == 2)


async def test_what_is_being_created_is_left_alone(incus: FakeIncus, registry: Registry) -> None:
    """A container whose lock is held belongs to whoever creates it."""
    incus.on("GET", DEV, sync(instance(setup_state="creating")))
    async with registry.lock("dev"):
        await registry.refresh("dev")
        await registry.remove_unfinished()
    assert incus.count("DELETE", DEV) == 0
    assert incus.count("PUT", DEV + "/state") == 0


async def test_what_is_finished_meanwhile_stays(incus: FakeIncus, registry: Registry) -> None:
    """A container that was finished while others were removed is not removed after them."""
    incus.on("GET", DEV, sync(instance(setup_state="creating")), sync(instance()))
    await registry.refresh("dev")
    await registry.remove_unfinished()
    assert incus.count("DELETE", DEV) == 0
    assert incus.count("PUT", DEV + "/state") == 0
    assert _names(registry) == ["dev"]


async def test_one_lock_for_each_container(registry: Registry) -> None:
    """Everybody who works on a container meets the same lock."""
    async with registry.lock("dev"):
        assert registry.lock("dev").locked()
        assert not registry.lock("other").locked()
    assert not registry.lock("dev").locked()


def _speaks_after(gate: asyncio.Event, *texts: str) -> Answer:
    """Open the stream at once and send messages once the gate is open."""

    async def answer(request: web.Request) -> web.StreamResponse:
        connection = web.WebSocketResponse()
        await connection.prepare(request)
        await gate.wait()
        for text in texts:
            await connection.send_str(text)
        await asyncio.Event().wait()
        return connection

    return answer


async def test_left_over_that_cannot_be_removed(incus: FakeIncus, following: Registry) -> None:
    """What Incus refuses to remove stays, is never shown as ready, and stops nothing else."""
    incus.on("GET", EVENTS, messages(silent=True))
    incus.on("GET", LIST, sync([instance(setup_state="creating"), instance("fine")]))
    _script_removal(incus, operation(FAILURE, "protected"))
    await until(lambda: incus.count("DELETE", DEV) == 1)
    assert _names(following) == ["fine"]


async def test_left_over_that_comes_late(incus: FakeIncus, following: Registry) -> None:
    """An instance that Incus was still making when a daemon died is removed when it appears."""
    incus.on("GET", EVENTS, messages(event("instance-created"), silent=True))
    incus.on("GET", LIST, sync([]))
    _script_removal(incus, operation(SUCCESS))
    await until(lambda: incus.count("DELETE", DEV) == 1)
    assert _names(following) == []
