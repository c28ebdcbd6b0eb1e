# SPDX-License-Identifier: GPL-3.0-or-later
"""Take an instance away, whatever state it is in."""

import asyncio
import contextlib
import logging

from kapsule.errors import IncusError, IncusUnavailable
from kapsule.incus import instances
from kapsule.incus.client import IncusClient
from kapsule.incus.errors import IncusNotFound

_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)  # seconds between attempts
# What Incus says while it is still at work on the instance, clears up after a failed start, or is
# asked by two at once.
_PASSING = ("busy running", "is running", "matching non-reusable operation")

log = logging.getLogger(__name__)


async def remove_instance(client: IncusClient, name: str) -> None:
    """Kill and delete an instance; one that is not there is no error.

    While Incus is still at work on it, wait some seconds for that to end.
    Raises IncusError when Incus does not delete it.
    """
    with contextlib.suppress(IncusNotFound):
        for pause in _PAUSES:
            await _kill(client, name)
            try:
                await instances.delete_instance(client, name)
                return
            except IncusError as error:
                if not any(words in error.message for words in _PASSING):
                    raise
            await asyncio.sleep(pause)
        await instances.delete_instance(client, name)


async def _kill(client: IncusClient, name: str) -> None:
    """Stop it by force, without a look at its state first.

    Of an instance whose start failed half-way Incus says that it is stopped, or cannot say at all,
    while something of it is left to kill. Where there is nothing to stop, that is no failure.
    """
    try:
        await instances.set_state(client, name, "stop", force=True)
    except (IncusNotFound, IncusUnavailable):
        raise
    except IncusError as error:
        log.info("Container %s was not stopped: %s", name, error.message)
