# SPDX-License-Identifier: GPL-3.0-or-later
"""Background operations: begun, followed to their real end, cancelled where they run."""

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from kapsule.errors import IncusError, IncusUnavailable
from kapsule.incus.client import IncusClient
from kapsule.incus.errors import IncusNotFound, IncusOperationLost, failure
from kapsule.incus.types import Operation
from kapsule.incus.urls import path

T = TypeVar("T")

# Status codes of Incus, doc/rest-api.md: below 200 work goes on.
_FINISHED = 200
_SUCCESS = 200

_POLL_INTERVAL = 0.5  # seconds between two looks at an operation
_CANCEL_GRACE = 10.0  # seconds that Incus gets to end what it agreed to cancel
_PERCENT = re.compile(r"(\d{1,3})%")


@dataclass(frozen=True, slots=True)
class OperationProgress:
    """How far an operation is.

    description: what Incus calls the operation. percent: 0 to 100, or None where it does not
    say. text: its own words, such as `rootfs: 42% (12.3MB/s)`.
    """

    description: str
    percent: int | None
    text: str


OnProgress = Callable[[OperationProgress], None]


async def run(
    client: IncusClient,
    method: str,
    url: str,
    *,
    body: object | None = None,
    etag: str | None = None,
    on_progress: OnProgress | None = None,
) -> Operation:
    """Send a request that begins an operation, and wait() for it. Returns the ended operation.

    A cancellation that arrives while the request is under way takes effect when its reply is
    there, because Incus goes on with a request whose sender hangs up.
    Raises what IncusClient.request() and wait() raise.
    """
    request = asyncio.ensure_future(client.request(method, url, body=body, etag=etag))
    try:
        reply = await asyncio.shield(request)
    except asyncio.CancelledError:
        with contextlib.suppress(IncusError):
            reply = await _to_its_end(request)
            await _to_its_end(_cancel(client, reply.operation))
        raise
    return await wait(client, reply.operation, on_progress)


async def wait(
    client: IncusClient, operation_id: str, on_progress: OnProgress | None = None
) -> Operation:
    """Wait until an operation has ended, however long it takes, and return it.

    on_progress: called with each change of the progress that Incus reports.
    When the awaiting task is cancelled, the operation is cancelled at Incus. One that Incus
    will not cancel is waited for. Only then does the CancelledError go on, so that what the
    operation did can be undone.
    Raises IncusError with Incus's own words when the operation failed, IncusOperationLost when
    Incus forgot it, IncusUnavailable when Incus went away.
    """
    ending = asyncio.ensure_future(_until_ended(client, operation_id))
    try:
        if on_progress:
            await _report(client, operation_id, ending, on_progress)
        operation = await asyncio.shield(ending)
    except asyncio.CancelledError:
        await _to_its_end(_cancel(client, operation_id))
        raise
    finally:
        _drop(ending)
    if operation.status_code != _SUCCESS:
        raise failure(operation.err or f"{operation.description}: {operation.status}")
    return operation


async def _until_ended(client: IncusClient, operation_id: str) -> Operation:
    url = path("operations", operation_id)
    while True:
        try:
            operation = await _look(client, path("operations", operation_id, "wait"))
        except IncusUnavailable:
            # The connection broke. Whether Incus is still there, the next request tells.
            operation = await _look(client, url)
        if operation.status_code >= _FINISHED:
            return operation
        await asyncio.sleep(_POLL_INTERVAL)


async def _look(client: IncusClient, url: str) -> Operation:
    try:
        return await client.get(url, Operation)
    except IncusNotFound as error:
        # Incus keeps an ended operation for five seconds, and none over a restart.
        raise IncusOperationLost(
            "Incus no longer knows the operation, so how it ended is unknown",
            hint="Incus was probably restarted meanwhile; look at the state and try again",
        ) from error


async def _report(
    client: IncusClient,
    operation_id: str,
    ending: asyncio.Future[Operation],
    on_progress: OnProgress,
) -> None:
    """Call on_progress with each change until ending is done."""
    last = None
    while not (await asyncio.wait({ending}, timeout=_POLL_INTERVAL))[0]:
        with contextlib.suppress(IncusError):  # the wait itself meets the same trouble
            progress = _progress(await client.get(path("operations", operation_id), Operation))
            if progress != last:
                on_progress(progress)
                last = progress


def _progress(operation: Operation) -> OperationProgress:
    """Read the progress out of an operation's metadata.

    Incus puts text into a key that ends in `_progress`, such as `download_progress`, and newer
    figures into `progress`: percent, speed, processed, each a string.
    """
    texts = [
        text
        for key, text in operation.metadata.items()
        if key.endswith("_progress") and isinstance(text, str)
    ]
    text = texts[-1] if texts else ""
    figures = operation.metadata.get("progress")
    exact = figures.get("percent") if isinstance(figures, Mapping) else None
    found = _PERCENT.search(f"{exact}%" if exact else text)
    return OperationProgress(operation.description, int(found[1]) if found else None, text)


async def _cancel(client: IncusClient, operation_id: str) -> None:
    """Cancel an operation at Incus and return when it has ended, whichever way."""
    ending = asyncio.ensure_future(_until_ended(client, operation_id))
    try:
        await client.request("DELETE", path("operations", operation_id))
        timeout: float | None = _CANCEL_GRACE
    except IncusError:
        timeout = None  # it cannot be cancelled, or it has ended already
    await asyncio.wait({ending}, timeout=timeout)
    _drop(ending)


def _drop(task: asyncio.Future[Operation]) -> None:
    """Give up a task whose outcome nobody needs."""
    if not task.cancel() and not task.cancelled():
        task.exception()  # marks it as seen


async def _to_its_end(work: Awaitable[T]) -> T:
    """Await work to its end; a cancellation in the meantime is dropped."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({task})
    return task.result()
