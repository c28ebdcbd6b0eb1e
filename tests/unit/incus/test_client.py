# SPDX-License-Identifier: GPL-3.0-or-later
from pathlib import Path

import aiohttp
import pytest

from kapsule.errors import IncusError, IncusUnavailable, InvalidArgument
from kapsule.incus.client import IncusClient, find_socket
from kapsule.incus.errors import (
    IncusConflict,
    IncusForbidden,
    IncusNotFound,
    IncusPreconditionFailed,
)
from kapsule.incus.types import Instance
from kapsule.incus.urls import path
from kapsule.testing.fake_incus import (
    OPERATION,
    FakeIncus,
    background,
    broken,
    error,
    messages,
    raw,
    sync,
)

DEV = path("instances", "dev")


async def test_get_returns_the_object(client: IncusClient, incus: FakeIncus) -> None:
    """The reply's metadata comes back as the type that was asked for."""
    incus.on("GET", DEV, sync({"name": "dev", "status": "Running", "config": {"a": "b"}}))
    assert await client.get(DEV, Instance) == Instance(
        name="dev", status="Running", config={"a": "b"}
    )


async def test_nulls_and_strangers_are_passed_over(client: IncusClient, incus: FakeIncus) -> None:
    """A null has the field's default, and a field that nobody reads is no error."""
    incus.on("GET", DEV, sync({"name": "dev", "config": None, "devices": None, "novel": [None]}))
    assert await client.get(DEV, Instance) == Instance(name="dev")


async def test_an_empty_collection_may_be_null(client: IncusClient, incus: FakeIncus) -> None:
    """Go sends an empty list as null; it is an empty list."""
    incus.on("GET", path("instances"), sync(None))
    assert await client.get_list(path("instances"), Instance) == []
    assert incus.seen[0].query == {"recursion": "1"}


async def test_the_etag_travels_both_ways(client: IncusClient, incus: FakeIncus) -> None:
    """The version that was read is the one that a write is based on."""
    incus.on("GET", DEV, sync({"name": "dev"}, etag="v1"))
    incus.on("PUT", DEV, background())
    _, etag = await client.get_with_etag(DEV, Instance)
    reply = await client.request("PUT", DEV, body={"x": 1}, etag=etag)
    assert incus.seen[1].headers["If-Match"] == "v1"
    assert incus.seen[1].body == {"x": 1}
    assert reply.operation == OPERATION


async def test_quoting_survives_the_way_to_incus(client: IncusClient, incus: FakeIncus) -> None:
    """Nothing on the way undoes the quoting of a name, resolves dots or splits off a query."""
    name = "../images/x?project=other#y%2e"
    incus.on("GET", path("instances", name), sync({"name": "odd"}))
    assert (await client.get(path("instances", name), Instance)).name == "odd"
    assert incus.seen[0].query == {}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, IncusError),
        (403, IncusForbidden),
        (404, IncusNotFound),
        (409, IncusConflict),
        (412, IncusPreconditionFailed),
        (500, IncusError),
        (503, IncusUnavailable),
    ],
)
async def test_each_refusal_has_its_class(
    client: IncusClient, incus: FakeIncus, code: int, kind: type[IncusError]
) -> None:
    """The error code decides the class; the text is Incus's own."""
    incus.on("GET", DEV, error(code, "because"))
    with pytest.raises(IncusError, match=r"^because$") as caught:
        await client.get(DEV, Instance)
    assert type(caught.value) is kind


async def test_a_refusal_behind_a_good_header_counts(client: IncusClient, incus: FakeIncus) -> None:
    """Incus sends the header of a long wait before it knows the outcome."""
    incus.on("GET", DEV, error(404, "gone", status=200))
    with pytest.raises(IncusNotFound, match="gone"):
        await client.get(DEV, Instance)


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b"[]", b"\xff", b'{"type": "sync", "metadata": {"name": 7}}', b'{"type": 1}'],
)
async def test_garbage_is_an_error_of_incus(
    client: IncusClient, incus: FakeIncus, content: bytes
) -> None:
    """A reply that cannot be understood is an IncusError, not a crash."""
    incus.on("GET", DEV, raw(content))
    with pytest.raises(IncusError):
        await client.get(DEV, Instance)


async def test_an_error_page_is_an_error_of_incus(client: IncusClient, incus: FakeIncus) -> None:
    """So is a failure without an envelope."""
    incus.on("GET", DEV, raw(b"Internal Server Error", status=500))
    with pytest.raises(IncusError):
        await client.get(DEV, Instance)


async def test_text_that_json_cannot_carry(client: IncusClient, incus: FakeIncus) -> None:
    """A path of a host that is not UTF-8 is the caller's error, and nothing is sent."""
    with pytest.raises(InvalidArgument):
        await client.request("PUT", DEV, body={"source": "/home/\udcff"})
    assert incus.seen == []


async def test_a_broken_connection_is_incus_unavailable(
    client: IncusClient, incus: FakeIncus
) -> None:
    """A connection that ends in the middle of a reply says that Incus is gone."""
    incus.on("GET", DEV, broken())
    with pytest.raises(IncusUnavailable):
        await client.get(DEV, Instance)


async def test_no_socket_is_incus_unavailable(client: IncusClient, tmp_path: Path) -> None:
    """Without Incus the message names the socket and the hint says what to look at."""
    with pytest.raises(IncusUnavailable) as caught:
        await client.get(DEV, Instance)
    assert str(tmp_path) in caught.value.message
    assert "systemctl" in caught.value.hint


async def test_incus_may_start_later(client: IncusClient, tmp_path: Path) -> None:
    """The same client works as soon as Incus is there, also after a restart."""
    for _ in range(2):
        with pytest.raises(IncusUnavailable):
            await client.get(DEV, Instance)
        async with FakeIncus(str(tmp_path / "unix.socket")) as incus:
            incus.on("GET", DEV, sync({"name": "dev"}))
            assert (await client.get(DEV, Instance)).name == "dev"


async def test_the_socket_may_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket is looked for at each request."""
    client = IncusClient()
    for name in ("a", "b"):
        monkeypatch.setenv("INCUS_SOCKET", str(tmp_path / name))
        async with FakeIncus(str(tmp_path / name)) as incus:
            incus.on("GET", DEV, sync({"name": name}))
            assert (await client.get(DEV, Instance)).name == name
    await client.close()


def test_where_the_socket_is() -> None:
    """INCUS_SOCKET wins over INCUS_DIR, as with Incus's own client."""
    assert find_socket({"INCUS_SOCKET": "/s", "INCUS_DIR": "/d"}) == "/s"
    assert find_socket({"INCUS_SOCKET": "", "INCUS_DIR": "/d"}) == "/d/unix.socket"
    assert find_socket({}) in ("/run/incus/unix.socket", "/var/lib/incus/unix.socket")


async def test_a_connection_that_breaks_while_it_is_used(
    client: IncusClient, incus: FakeIncus
) -> None:
    """An Incus that dies as its ping is answered is as one that cannot be reached."""
    incus.on("GET", "/1.0/events", messages())
    with pytest.raises(IncusUnavailable, match="closing transport"):
        async with client.websocket("/1.0/events", heartbeat=30):
            raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")
