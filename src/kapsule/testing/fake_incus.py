# SPDX-License-Identifier: GPL-3.0-or-later
"""A scripted Incus on a unix socket, for failures that a real one cannot be made to give.

    async with FakeIncus(socket_path) as incus:
        incus.on("GET", "/1.0/instances/dev", broken(), sync({"name": "dev"}))

Nothing in it behaves like Incus by itself: each request gets the next answer of its script, the
last one again and again, and one without a script gets Incus's 404.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import msgspec
from aiohttp import web

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

OPERATION = "7d5f0a2e-3c5b-4a7e-9d44-6f1f0c7b2a10"
OPERATION_PATH = f"/1.0/operations/{OPERATION}"
WAIT_PATH = OPERATION_PATH + "/wait"

RUNNING, SUCCESS, FAILURE, CANCELLED = 103, 200, 400, 401
_WORDS = {RUNNING: "Running", SUCCESS: "Success", FAILURE: "Failure", CANCELLED: "Cancelled"}


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it came in. path: raw, still quoted. body: decoded, None when empty."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


class FakeIncus:
    """The server. socket_path: where it listens while the context is open.

    seen: all requests so far, in order.
    """

    def __init__(self, socket_path: str) -> None:
        self.socket_path = socket_path
        self.seen: list[Seen] = []
        self._scripts: dict[tuple[str, str], list[Answer]] = {}
        self._arrival = asyncio.Condition()
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.01)

    def on(self, method: str, path: str, *answers: Answer) -> None:
        """Script the answers to a request. path: raw and quoted, without the query."""
        self._scripts[method, path] = list(answers)

    def count(self, method: str, path: str) -> int:
        """Return how many such requests came in."""
        return sum((each.method, each.path) == (method, path) for each in self.seen)

    async def received(self, method: str, path: str) -> None:
        """Return once such a request came in."""
        async with self._arrival:
            await self._arrival.wait_for(lambda: self.count(method, path))

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.UnixSite(self._runner, self.socket_path).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.raw_path.partition("?")[0]
        content = await request.read()
        body = msgspec.json.decode(content) if content else None
        async with self._arrival:
            self.seen.append(Seen(request.method, path, request.query, request.headers, body))
            self._arrival.notify_all()
        script = self._scripts.get((request.method, path), [error(404, "not found")])
        answer = script.pop(0) if len(script) > 1 else script[0]
        return await answer(request)


def sync(metadata: object, *, etag: str = "") -> Answer:
    """Answer with metadata at once."""
    envelope = {"type": "sync", "status": "Success", "status_code": 200, "metadata": metadata}
    return raw(msgspec.json.encode(envelope), headers={"ETag": etag} if etag else {})


def error(code: int, text: str, *, status: int | None = None) -> Answer:
    """Refuse. code: Incus's error code. status: the HTTP status where it is another."""
    envelope = {"type": "error", "error": text, "error_code": code, "metadata": None}
    return raw(msgspec.json.encode(envelope), status=status or code)


def background() -> Answer:
    """Begin the background operation OPERATION."""
    envelope = {
        "type": "async",
        "status": "Operation created",
        "status_code": 100,
        "operation": OPERATION_PATH,
        "metadata": _operation(RUNNING, "", None),
    }
    return raw(msgspec.json.encode(envelope), status=202)


def operation(code: int, err: str = "", metadata: Mapping[str, object] | None = None) -> Answer:
    """Answer with the state of OPERATION. code: RUNNING, SUCCESS, FAILURE or CANCELLED."""
    return sync(_operation(code, err, metadata))


def raw(content: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with these bytes, sense or nonsense."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=content, status=status, headers=headers)

    return answer


def broken() -> Answer:
    """Send the header, as Incus does at once for a wait, then break the connection."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 1000
        await response.prepare(request)
        await response.write(b"{")
        if request.transport:
            request.transport.abort()
        return response

    return answer


def held(gate: asyncio.Event, answer: Answer) -> Answer:
    """Give the answer once the gate is open."""

    async def hold(request: web.Request) -> web.StreamResponse:
        await gate.wait()
        return await answer(request)

    return hold


def messages(*texts: str, silent: bool = False) -> Answer:
    """Send these messages over a WebSocket; then close it, or say no more when silent."""

    async def answer(request: web.Request) -> web.StreamResponse:
        # autoping=False: a silent server does not even answer pings.
        connection = web.WebSocketResponse(autoping=False)
        await connection.prepare(request)
        for text in texts:
            await connection.send_str(text)
        if silent:
            await asyncio.Event().wait()
        return connection

    return answer


def _operation(code: int, err: str, metadata: Mapping[str, object] | None) -> dict[str, object]:
    return {
        "id": OPERATION,
        "class": "task",
        "description": "Doing it",
        "status": _WORDS[code],
        "status_code": code,
        "metadata": metadata,
        "err": err,
    }
