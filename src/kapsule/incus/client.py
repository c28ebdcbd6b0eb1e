# SPDX-License-Identifier: GPL-3.0-or-later
"""One HTTP connection pool to Incus, and its reply envelope.

Everything foreign stops here: whatever goes wrong comes out as an IncusError.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import aiohttp
import msgspec
from yarl import URL

from kapsule.errors import IncusError, IncusUnavailable, InvalidArgument
from kapsule.incus.errors import from_code

T = TypeVar("T")

_SOCKET = "unix.socket"
_DIRECTORIES = ("/run/incus", "/var/lib/incus")
_CONNECT_TIMEOUT = 5.0  # seconds; a reply may take as long as it takes
_HINT = "Is Incus installed and running? See: systemctl status incus.socket incus.service"


@dataclass(frozen=True)
class Response:
    """A reply that is not an error.

    metadata: what it carries, without nulls. etag: the version of the object, for If-Match.
    operation: the id of the background operation that the request began, else "".
    """

    metadata: object
    etag: str = ""
    operation: str = ""


class _Envelope(msgspec.Struct, kw_only=True):
    type: str
    error: str = ""
    error_code: int = 0
    operation: str = ""
    metadata: Any = None


class IncusClient:
    """Requests to Incus on its unix socket, in the default project.

    socket_path: the socket, or None for the place where Incus's own client looks for it. It is
    looked for again at each request, so Incus may be installed or started later.
    """

    def __init__(self, socket_path: str | None = None) -> None:
        self._socket_path = socket_path
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object | None = None,
        etag: str | None = None,
    ) -> Response:
        """Send one request and return its reply. There is no limit to how long Incus may take.

        path: made by urls.path(). body: what msgspec can encode as JSON. etag: the version of
        the object that the request is based on.
        Raises InvalidArgument for text that is not UTF-8, IncusUnavailable when the connection
        fails, one of incus.errors when Incus refuses, and IncusError when the reply cannot be
        understood.
        """
        headers = {"Content-Type": "application/json"}
        if etag is not None:
            headers["If-Match"] = etag
        data = None if body is None else _encode(body)
        socket_path = self._current_socket_path()
        with _translated(socket_path):
            async with self._session(socket_path).request(
                method, _url(path, query), data=data, headers=headers
            ) as reply:
                content = await reply.read()
        return _response(reply.status, content, reply.headers.get("ETag", ""))

    async def get(self, path: str, type_: type[T], *, query: Mapping[str, str] | None = None) -> T:
        """Return the object at path as a type_. Raises as request() does."""
        return _convert((await self.request("GET", path, query=query)).metadata, type_)

    async def get_list(self, path: str, type_: type[T]) -> list[T]:
        """Return all objects of the collection at path, in one request. Raises as request()."""
        reply = await self.request("GET", path, query={"recursion": "1"})
        return _convert(reply.metadata or [], list[type_])  # type: ignore[valid-type]  # a variable

    async def get_with_etag(self, path: str, type_: type[T]) -> tuple[T, str]:
        """Return the object at path and its version, for request(etag=). Raises as request()."""
        reply = await self.request("GET", path)
        return _convert(reply.metadata, type_), reply.etag

    @contextlib.asynccontextmanager
    async def websocket(
        self, path: str, *, query: Mapping[str, str] | None = None, heartbeat: float
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Hold the WebSocket at path open.

        heartbeat: seconds between pings; it closes when one is not answered by the next half.
        Raises IncusUnavailable when the connection cannot be made, or breaks within the block.
        """
        socket_path = self._current_socket_path()
        with _translated(socket_path):
            connection = await self._session(socket_path).ws_connect(
                _url(path, query), heartbeat=heartbeat
            )
            async with connection:
                yield connection

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    @property
    def directory(self) -> str:
        """Where Incus keeps its data: beside its socket, but for one that is in /run."""
        directory = os.path.dirname(self._current_socket_path())
        return _DIRECTORIES[1] if directory == _DIRECTORIES[0] else directory

    def _current_socket_path(self) -> str:
        return self._socket_path or find_socket(os.environ)

    def _session(self, socket_path: str) -> aiohttp.ClientSession:
        if socket_path not in self._sessions:
            self._sessions[socket_path] = aiohttp.ClientSession(
                # Waiting for an operation holds a connection; others must not queue behind it.
                connector=aiohttp.UnixConnector(socket_path, limit=0),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._sessions[socket_path]


def find_socket(environment: Mapping[str, str]) -> str:
    """Return where Incus's socket is, or will be: by the rules of Incus's own client.

    environment: INCUS_SOCKET names the socket, INCUS_DIR its directory. Without them it is
    /run/incus/unix.socket where that exists, else /var/lib/incus/unix.socket.
    """
    if environment.get("INCUS_SOCKET"):
        return environment["INCUS_SOCKET"]
    if environment.get("INCUS_DIR"):
        return os.path.join(environment["INCUS_DIR"], _SOCKET)
    run, var = (os.path.join(directory, _SOCKET) for directory in _DIRECTORIES)
    return run if os.path.exists(run) else var


def _encode(body: object) -> bytes:
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"{error.object!r} is not valid text") from error


def _url(path: str, query: Mapping[str, str] | None) -> URL:
    # encoded=True: yarl would undo quoting and resolve dots, and so reach other objects.
    return URL(f"http://incus{path}" + (f"?{urlencode(query)}" if query else ""), encoded=True)


@contextlib.contextmanager
def _translated(socket_path: str) -> Iterator[None]:
    try:
        yield
    except aiohttp.ClientResponseError as error:
        raise from_code(error.status, f"Incus refused: {error.message}") from error
    except (aiohttp.ClientError, OSError) as error:
        message = f"Incus does not answer at {socket_path}: {_reason(error)}"
        raise IncusUnavailable(message, hint=_HINT) from error


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def decode(text: str | bytes, type_: type[T]) -> T:
    """Return what JSON text from Incus says. Raises IncusError when it is not a type_."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise IncusError(f"Incus sent something that is not JSON: {error}") from error
    return _convert(_without_nulls(value), type_)


def _response(status: int, content: bytes, etag: str) -> Response:
    envelope = decode(content, _Envelope)
    # An error that comes up behind the header of a long wait arrives with HTTP status 200.
    if envelope.type == "error" or status >= 400:
        raise from_code(envelope.error_code or status, envelope.error)
    operation = envelope.operation if envelope.type == "async" else ""
    return Response(envelope.metadata, etag, urlsplit(operation).path.rpartition("/")[2])


def _without_nulls(value: Any) -> Any:
    """Return value without the object fields that are null, which is how Go sends empty maps."""
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return value


def _convert(metadata: object, type_: type[T]) -> T:
    try:
        return msgspec.convert(metadata, type_)
    except msgspec.ValidationError as error:
        raise IncusError(f"Incus sent something unexpected: {error}") from error
