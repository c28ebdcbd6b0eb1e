# SPDX-License-Identifier: GPL-3.0-or-later
import asyncio

import pytest

from kapsule.errors import IncusError, IncusUnavailable
from kapsule.incus import operations
from kapsule.incus.client import IncusClient
from kapsule.incus.errors import IncusOperationLost
from kapsule.incus.operations import OperationProgress
from kapsule.testing.fake_incus import (
    CANCELLED,
    FAILURE,
    OPERATION,
    OPERATION_PATH,
    RUNNING,
    SUCCESS,
    WAIT_PATH,
    FakeIncus,
    background,
    broken,
    error,
    held,
    operation,
    sync,
)

THINGS = "/1.0/things"


async def test_run_returns_the_ended_operation(client: IncusClient, incus: FakeIncus) -> None:
    """run() sends the request and waits for what it began."""
    incus.on("POST", THINGS, background())
    incus.on("GET", WAIT_PATH, operation(SUCCESS, metadata={"fingerprint": "f"}))
    ended = await operations.run(client, "POST", THINGS, body={"name": "x"})
    assert ended.metadata == {"fingerprint": "f"}
    assert incus.seen[0].body == {"name": "x"}


async def test_a_wait_that_ends_early_is_repeated(client: IncusClient, incus: FakeIncus) -> None:
    """An operation that still runs when the wait returns has not ended."""
    incus.on("GET", WAIT_PATH, operation(RUNNING), operation(SUCCESS))
    assert (await operations.wait(client, OPERATION)).status == "Success"


async def test_a_failed_operation_raises_in_incus_words(
    client: IncusClient, incus: FakeIncus
) -> None:
    """The reply to the wait is a success; the operation in it is not."""
    incus.on("GET", WAIT_PATH, operation(FAILURE, "No space left on device"))
    with pytest.raises(IncusError, match=r"^No space left on device$"):
        await operations.wait(client, OPERATION)


async def test_an_operation_that_somebody_else_cancelled_raises(
    client: IncusClient, incus: FakeIncus
) -> None:
    """Without words of Incus the operation's own name and state have to do."""
    incus.on("GET", WAIT_PATH, operation(CANCELLED))
    with pytest.raises(IncusError, match="Doing it: Cancelled"):
        await operations.wait(client, OPERATION)


async def test_a_dropped_connection_is_made_again(client: IncusClient, incus: FakeIncus) -> None:
    """The wait goes on while Incus is alive."""
    incus.on("GET", WAIT_PATH, broken(), broken(), operation(SUCCESS))
    incus.on("GET", OPERATION_PATH, operation(RUNNING))
    assert (await operations.wait(client, OPERATION)).status == "Success"
    assert incus.count("GET", WAIT_PATH) == 3


async def test_an_end_during_a_dropped_connection_is_found(
    client: IncusClient, incus: FakeIncus
) -> None:
    """An operation that ended while nobody listened is not waited for again."""
    incus.on("GET", WAIT_PATH, broken())
    incus.on("GET", OPERATION_PATH, operation(SUCCESS))
    assert (await operations.wait(client, OPERATION)).status == "Success"


async def test_an_operation_that_incus_forgot_is_lost(
    client: IncusClient, incus: FakeIncus
) -> None:
    """After a restart Incus knows no operation; that is not the 404 of a missing thing."""
    incus.on("GET", WAIT_PATH, broken())
    with pytest.raises(IncusOperationLost):
        await operations.wait(client, OPERATION)


async def test_incus_going_away_ends_the_wait(client: IncusClient, incus: FakeIncus) -> None:
    """When nobody answers any more, the wait says so instead of trying for ever."""
    incus.on("GET", WAIT_PATH, broken())
    incus.on("GET", OPERATION_PATH, broken())
    with pytest.raises(IncusUnavailable):
        await operations.wait(client, OPERATION)


async def test_progress_is_reported_as_it_changes(client: IncusClient, incus: FakeIncus) -> None:
    """Each change is reported once, with percent and text, and trouble with it is no failure."""
    gate = asyncio.Event()
    incus.on("GET", WAIT_PATH, held(gate, operation(SUCCESS)))
    incus.on(
        "GET",
        OPERATION_PATH,
        operation(RUNNING),
        operation(RUNNING, metadata={"download_progress": "rootfs: 42% (1.2MB/s)"}),
        operation(RUNNING, metadata={"download_progress": "rootfs: 42% (1.2MB/s)"}),
        error(500, "not now"),
        operation(
            RUNNING,
            metadata={
                "create_instance_from_image_unpack_progress": "Unpacking image",
                "progress": {"percent": "77", "stage": "unpack"},
            },
        ),
    )
    reported: list[OperationProgress] = []

    def on_progress(progress: OperationProgress) -> None:
        reported.append(progress)
        if progress.percent == 77:
            gate.set()

    await operations.wait(client, OPERATION, on_progress)
    assert reported == [
        OperationProgress("Doing it", None, ""),
        OperationProgress("Doing it", 42, "rootfs: 42% (1.2MB/s)"),
        OperationProgress("Doing it", 77, "Unpacking image"),
    ]


async def test_cancelling_reaches_incus(client: IncusClient, incus: FakeIncus) -> None:
    """Cancelling the task cancels the operation, and the task ends when the operation has."""
    gate = asyncio.Event()
    incus.on("GET", WAIT_PATH, held(gate, operation(CANCELLED)))

    async def delete(request: object) -> object:
        gate.set()
        return await sync({})(request)  # type: ignore[arg-type]  # what the server gives

    incus.on("DELETE", OPERATION_PATH, delete)  # type: ignore[arg-type]  # see above
    task = asyncio.ensure_future(operations.wait(client, OPERATION))
    await incus.received("GET", WAIT_PATH)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert incus.count("DELETE", OPERATION_PATH) == 1


async def test_what_cannot_be_cancelled_is_waited_for(
    client: IncusClient, incus: FakeIncus
) -> None:
    """The CancelledError goes on only when the operation has ended, however often it comes."""
    gate = asyncio.Event()
    incus.on("GET", WAIT_PATH, held(gate, operation(SUCCESS)))
    incus.on("DELETE", OPERATION_PATH, error(400, "This operation can't be cancelled"))
    task = asyncio.ensure_future(operations.wait(client, OPERATION))
    await incus.received("GET", WAIT_PATH)
    task.cancel()
    await incus.received("DELETE", OPERATION_PATH)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.05)
        assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_that_incus_ignores_does_not_hang(
    client: IncusClient, incus: FakeIncus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When Incus agrees to cancel but never ends the operation, the task ends after a while."""
    monkeypatch.setattr(operations, "_CANCEL_GRACE", 0.2)
    incus.on("GET", WAIT_PATH, held(asyncio.Event(), operation(CANCELLED)))
    incus.on("DELETE", OPERATION_PATH, sync({}))
    task = asyncio.ensure_future(operations.wait(client, OPERATION))
    await incus.received("GET", WAIT_PATH)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelling_before_the_reply_reaches_incus(
    client: IncusClient, incus: FakeIncus
) -> None:
    """An operation that begins while its task is being cancelled is cancelled, too."""
    gate = asyncio.Event()
    incus.on("POST", THINGS, held(gate, background()))
    incus.on("GET", WAIT_PATH, operation(CANCELLED))
    incus.on("DELETE", OPERATION_PATH, sync({}))
    task = asyncio.ensure_future(operations.run(client, "POST", THINGS))
    await incus.received("POST", THINGS)
    task.cancel()
    await asyncio.sleep(0.05)
    assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert incus.count("DELETE", OPERATION_PATH) == 1


async def test_cancelling_a_request_that_fails(client: IncusClient, incus: FakeIncus) -> None:
    """When Incus refuses the request meanwhile, there is nothing to cancel."""
    gate = asyncio.Event()
    incus.on("POST", THINGS, held(gate, error(409, "exists")))
    task = asyncio.ensure_future(operations.run(client, "POST", THINGS))
    await incus.received("POST", THINGS)
    task.cancel()
    await asyncio.sleep(0.05)
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
