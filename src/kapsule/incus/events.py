# SPDX-License-Identifier: GPL-3.0-or-later
"""Incus's event stream."""

from collections.abc import AsyncIterator, Sequence

import aiohttp

from kapsule.errors import IncusUnavailable
from kapsule.incus.client import IncusClient, decode
from kapsule.incus.types import Event
from kapsule.incus.urls import path

OPENED = Event(type="opened")


async def follow_events(
    client: IncusClient, types: Sequence[str] = ("lifecycle",), *, heartbeat: float = 30.0
) -> AsyncIterator[Event]:
    """Yield what happens in Incus from now on.

    types: `lifecycle`, `operation` or `logging`. heartbeat: seconds between the pings that tell
    whether Incus is still there.
    The first event is OPENED, which Incus did not send: from there on nothing is missed, so
    what is listed now and changed by the events that follow stays right.
    Raises IncusUnavailable when the connection ends; it never just stops.
    """
    query = {"type": ",".join(types)}
    async with client.websocket(path("events"), query=query, heartbeat=heartbeat) as connection:
        yield OPENED
        async for message in connection:
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            yield decode(message.data, Event)
    raise IncusUnavailable("Incus ended its event stream")
