# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read off the bus, whatever somebody sends."""

import asyncio
import os
import socket
from collections.abc import Iterator

import pytest
from dbus_fast import ErrorType, Message, MessageFlag, MessageType, Variant

from kapsule import names
from kapsule.daemon.reader import Reader, Refused
from kapsule.daemon.turns import Turns

from .client import PROPERTIES, Client
from .conftest import Connect, Daemon

_MEGABYTE = 1 << 20


class Ends:
    """A reader, the other end of its connection, and what it gave."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair()
        ours.setblocking(False)
        self.theirs.setblocking(False)
        self._ours = ours
        self.messages: list[Message] = []
        self.ends: list[Exception | None] = []
        self.read = Reader(ours, self.messages.append, self.ends.append)

    async def settle(self) -> None:
        """Read all, and let each call have its turn."""
        for _ in range(300):
            self.read()
            await asyncio.sleep(0)

    def close(self) -> None:
        """Close what is left."""
        self._ours.close()
        self.theirs.close()


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A reader with nothing to read."""
    ends = Ends()
    yield ends
    ends.close()


def _call(member: str = "StartContainer", size: int = 1, **header: object) -> bytes:
    message = Message(
        names.BUS_NAME,
        names.MANAGER_PATH,
        names.MANAGER_INTERFACE,
        member,
        serial=9,
        signature="s",
        body=["x" * size],
        **header,  # type: ignore[arg-type]  # the tests know the fields
    )
    return bytes(message._marshall(True))


async def _feed(ends: Ends, data: bytes) -> None:
    """Send as much as goes, and have it read, until all is through."""
    while data:
        data = data[ends.theirs.send(data[:65536]) :]
        ends.read()
    await ends.settle()


async def test_a_message_that_comes_byte_by_byte(ends: Ends) -> None:
    """It is the message that was sent, and so is the next."""
    for byte in _call() + _call(size=0):
        ends.theirs.send(bytes((byte,)))
        ends.read()
    await ends.settle()
    assert [each.body for each in ends.messages] == [["x"], [""]]
    assert [each.serial for each in ends.messages] == [9, 9]
    assert ends.ends == []


async def test_descriptors_come_with_their_message(ends: Ends) -> None:
    """Each message has its own, and the reader keeps none."""
    readable, writable = os.pipe()
    socket.send_fds(ends.theirs, [_call()], [readable, writable])
    ends.theirs.send(_call())
    for each in (readable, writable):
        os.close(each)
    await ends.settle()
    first, second = ends.messages
    assert len(first.unix_fds) == 2
    assert second.unix_fds == []
    for each in first.unix_fds:
        os.close(each)


async def test_what_is_too_large_is_passed_over(ends: Ends) -> None:
    """Its header is there, for the answer, and the next message is whole."""
    await _feed(ends, _call(size=_MEGABYTE) + _call())
    large, small = ends.messages
    assert isinstance(large, Refused)
    assert large.error[0] is ErrorType.LIMITS_EXCEEDED
    assert (large.member, large.serial, large.body) == ("StartContainer", 9, [])
    assert small.body == ["x"]


async def test_a_long_command_line_is_not_too_large(ends: Ends) -> None:
    """Enter brings words and variables, as many as a program can have."""
    await _feed(ends, _call("Enter", size=6 * _MEGABYTE) + _call("Enter", size=9 * _MEGABYTE))
    fitting, large = ends.messages
    assert len(fitting.body[0]) == 6 * _MEGABYTE
    assert isinstance(large, Refused)


async def test_others_have_their_turn(ends: Ends) -> None:
    """However many messages there are, reading stops after some of them."""
    for _ in range(100):
        ends.theirs.send(_call())
    ends.read()
    await asyncio.sleep(0.1)
    assert len(ends.messages) == 32
    await ends.settle()
    assert len(ends.messages) == 100


def _message(sender: str, serial: int, *fds: int) -> Message:
    path, interface = names.MANAGER_PATH, names.MANAGER_INTERFACE
    message = Message(names.BUS_NAME, path, interface, "X", sender=sender, serial=serial)
    message.unix_fds = list(fds)
    return message


async def test_each_caller_has_a_turn_in_each_round() -> None:
    """Who comes last with one call does not wait for all of somebody else's."""
    processed: list[tuple[str | None, int]] = []
    turns = Turns(lambda each: processed.append((each.sender, each.serial)))
    for number in range(100):
        assert turns.take(_message(":1.1", number))
    assert turns.take(_message(":1.2", 0))
    assert processed == []
    await asyncio.sleep(0)
    assert processed == [(":1.1", 0), (":1.2", 0)]
    for _ in range(100):
        await asyncio.sleep(0)
    assert [serial for sender, serial in processed if sender == ":1.1"] == list(range(100))


async def test_who_has_too_many_waiting() -> None:
    """One more has no room; others' have."""
    turns = Turns(lambda _: None)
    assert all(turns.take(_message(":1.1", number)) for number in range(128))
    assert not turns.take(_message(":1.1", 128))
    assert turns.take(_message(":1.2", 0, 7))
    assert [turns.take(_message(":1.2", number, 7)) for number in range(4)] == [True] * 3 + [False]


async def test_replies_and_signals_do_not_wait() -> None:
    """What the daemon waits for itself is there at once."""
    processed: list[Message] = []
    turns = Turns(processed.append)
    assert turns.take(Message.new_signal("/x", "org.example.X", "X"))
    assert len(processed) == 1


async def test_the_end_of_the_connection(ends: Ends) -> None:
    """It is told once."""
    ends.theirs.close()
    ends.read()
    assert [type(each) for each in ends.ends] == [EOFError]


def _nested(depth: int) -> Variant:
    """Return what the bus takes as just deep enough, and dbus-fast as too deep."""
    value = Variant("ai", [1])
    for _ in range(depth):
        value = Variant("v", value)
    return value


async def test_a_value_that_is_nested_too_deeply(client: Client, daemon: Daemon) -> None:
    """Whoever sends one gets an error, and nobody else notices."""
    reply = await client.send("X", "v", _nested(63))
    assert reply is not None
    assert reply.error_name == ErrorType.INVALID_ARGS.value
    assert await client.call("ListOperations") == []
    assert not daemon.task.done()


@pytest.mark.parametrize("member", ["StartContainer", "GetContainerInfo", "NoSuchMethod"])
async def test_a_call_that_is_too_large(client: Client, daemon: Daemon, member: str) -> None:
    """An answer that repeats it would be larger still, and the bus would throw the daemon out."""
    reply = await client.send(member, "s", "x" * 20 * _MEGABYTE)
    assert reply is not None
    assert reply.error_name == ErrorType.LIMITS_EXCEEDED.value
    assert await client.call("ListOperations") == []


async def test_a_signal_that_is_too_large(client: Client, daemon: Daemon) -> None:
    """It is passed over."""
    signal = Message(
        names.BUS_NAME,
        "/x",
        "org.example.X",
        "X",
        MessageType.SIGNAL,
        signature="s",
        body=["x" * _MEGABYTE],
    )
    await client.send_message(signal)
    assert await client.call("ListOperations") == []


async def test_a_wrong_call_that_wants_no_answer(
    client: Client, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """It is nobody's bug, and the log does not speak of it."""
    to = {"interface": PROPERTIES, "flags": MessageFlag.NO_REPLY_EXPECTED}
    await client.send("Get", "ss", "org.example.X", "X", **to)  # type: ignore[arg-type]  # flags and interface
    for member, value in (("X", "x" * _MEGABYTE), ("GetContainerInfo", "nothing")):
        await client.send(member, "s", value, flags=MessageFlag.NO_REPLY_EXPECTED)
    path = await client.call("StartContainer", "s", "mine")
    await client.wait_for("Completed", path)
    other = await connect()
    await other.send("Get", "ss", "org.example.X", "X", path=path, **to)  # type: ignore[arg-type]  # as above
    assert await other.get(path, "Status") == "completed"
    assert caplog.text == ""
