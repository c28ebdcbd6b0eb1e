# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from kapsule.errors import IncusError, IncusUnavailable
from kapsule.incus.client import IncusClient
from kapsule.incus.events import OPENED, follow_events
from kapsule.incus.types import Event, EventMetadata
from kapsule.testing.fake_incus import FakeIncus, error, messages

EVENTS = "/1.0/events"
STARTED = """{
    "type": "lifecycle", "timestamp": null, "location": "none", "project": "default",
    "metadata": {"action": "instance-started", "source": "/1.0/instances/dev", "context": null}
}"""


async def test_events_come_after_the_opening(client: IncusClient, incus: FakeIncus) -> None:
    """The stream says that it is open, then what happens, and ends with an error."""
    incus.on("GET", EVENTS, messages(STARTED))
    events = follow_events(client)
    metadata = EventMetadata(action="instance-started", source="/1.0/instances/dev")
    assert await anext(events) == OPENED
    assert await anext(events) == Event(type="lifecycle", metadata=metadata)
    with pytest.raises(IncusUnavailable):
        await anext(events)
    assert incus.seen[0].query == {"type": "lifecycle"}


async def test_a_dead_connection_is_noticed(client: IncusClient, incus: FakeIncus) -> None:
    """An Incus that answers no ping any more counts as gone."""
    incus.on("GET", EVENTS, messages(silent=True))
    with pytest.raises(IncusUnavailable):
        async for _ in follow_events(client, heartbeat=0.1):
            pass


async def test_no_connection(client: IncusClient) -> None:
    """Without Incus the stream does not open."""
    with pytest.raises(IncusUnavailable):
        await anext(follow_events(client))


async def test_a_refused_stream(client: IncusClient, incus: FakeIncus) -> None:
    """An Incus that refuses the stream is an error of Incus."""
    incus.on("GET", EVENTS, error(403, "not you"))
    with pytest.raises(IncusError):
        await anext(follow_events(client))


async def test_garbage_in_the_stream(client: IncusClient, incus: FakeIncus) -> None:
    """A message that cannot be understood ends the stream with an error."""
    incus.on("GET", EVENTS, messages("{"))
    with pytest.raises(IncusError, match="JSON"):
        async for _ in follow_events(client):
            pass
