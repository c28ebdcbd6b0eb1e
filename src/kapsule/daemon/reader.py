# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads messages off the bus, whatever anybody sends; it stands in for dbus-fast's own reader.

Everybody may send the daemon anything that the bus takes: messages of 32 MiB, and values that are
nested deeper than dbus-fast reads. dbus-fast decodes a message however large it is, ends the
connection at one that it cannot read, and goes on for as long as messages come. With each of these
one user could keep the daemon from all others. Here, what is too large is never held in memory,
what cannot be read costs its sender the answer and nobody else anything, the event loop has its
turn after some steps, and calls wait for theirs (turns.py).
"""

import io
import logging
import socket
import struct
from array import array
from collections.abc import Callable, Generator

from dbus_fast import ErrorType, Message, MessageType
from dbus_fast._private.unmarshaller import Unmarshaller

from kapsule.daemon.closing import close_soon
from kapsule.daemon.turns import Turns

_HEAD = 16  # bytes before the header fields
_CHUNK = 65536
_STEPS = 96  # at a time, each a read of at most _CHUNK; a small message takes three
_INT = array("i").itemsize
_ROOM_FOR_FDS = socket.CMSG_SPACE(253 * _INT)  # unix(7): SCM_MAX_FD

_LIMIT = 64 << 10
# These calls bring the words and the variables of a program, which are 6 MiB at most: execve(2).
# Replies come from whom we asked.
LARGE_CALLS = ("Enter", "PrepareEnter")
_REPLIES = (MessageType.METHOD_RETURN, MessageType.ERROR)
_LARGE_LIMIT = 8 << 20

# Takes bytes as they come, says how many it wants at most, and never ends.
_Parser = Generator[int, bytes, None]

log = logging.getLogger(__name__)


class Refused(Message):
    """The header of a message whose content cannot be had. error: a D-Bus name, and the reason."""

    error: tuple[ErrorType, str]


class Reader:
    """Gives each message of a connection to process. Call it when there is something to read.

    sock: it does not block. finalize: called with what ends the connection.
    """

    def __init__(
        self,
        sock: socket.socket,
        process: Callable[[Message], None],
        finalize: Callable[[Exception | None], None],
    ) -> None:
        self._sock = sock
        self._turns = Turns(process)
        self._finalize = finalize
        self._fds: list[int] = []
        self._parser = self._parse()
        self._wanted = next(self._parser)

    def __call__(self) -> None:
        """Read what there is, but not for long: what is left wakes the event loop again."""
        try:
            for _ in range(_STEPS):
                self._wanted = self._parser.send(self._read(min(self._wanted, _CHUNK)))
        except BlockingIOError:
            return
        except Exception as error:
            self._finalize(error)

    def _read(self, size: int) -> bytes:
        data, ancillary, _, _ = self._sock.recvmsg(size, _ROOM_FOR_FDS)
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                self._fds += array("i", content[: len(content) // _INT * _INT])
        if not data:
            raise EOFError("the bus has closed the connection")
        return data

    def _parse(self) -> _Parser:
        while True:
            head = yield from _take(_HEAD)
            fields, body = _lengths(head)
            head += yield from _take(fields)
            if len(head) + body > _LIMIT and (refused := _too_large(head, body)):
                yield from _skip(body)
                self._deliver(refused)
            else:
                content = yield from _take(body)
                self._deliver(_decode(head + content) or _unreadable(head))

    def _deliver(self, message: Message | None) -> None:
        fds, self._fds = self._fds, []
        if message is None:
            close_soon(fds)
            return
        message.unix_fds = fds
        if not self._turns.take(message):
            text = "Too many of your calls have not had their turn"
            self._turns.give(_refuse(message, ErrorType.LIMITS_EXCEEDED, text))


def build_message_reader(
    sock: socket.socket | None,
    process: Callable[[Message], None],
    finalize: Callable[[Exception | None], None],
    negotiate_unix_fd: bool,
) -> Callable[[], None]:
    """Return what dbus-fast calls when there is something to read: its function of this name."""
    assert sock is not None
    return Reader(sock, process, finalize)


def _take(size: int) -> Generator[int, bytes, bytes]:
    data = bytearray()
    while len(data) < size:
        data += yield size - len(data)
    return bytes(data)


def _skip(size: int) -> _Parser:
    while size:
        size -= len((yield size))


def _lengths(head: bytes) -> tuple[int, int]:
    """Return how long the header fields are, with what fills them up, and the body."""
    body, _, fields = struct.unpack_from("<III" if head[:1] == b"l" else ">III", head, 4)
    return fields + -fields % 8, body


def _decode(data: bytes) -> Message | None:
    """Return a whole message, None for one that dbus-fast cannot read."""
    try:
        # It reads from whatever has a read().
        return Unmarshaller(io.BytesIO(data)).unmarshall()  # type: ignore[arg-type]
    except Exception as error:
        log.debug("A message cannot be read: %s", error)
        return None


def _too_large(head: bytes, body: int) -> Message | None:
    """Return a refusal if a message with this header may not be as large as it is."""
    if (message := _header(head)) is None:
        return None
    is_large = message.member in LARGE_CALLS or message.message_type in _REPLIES
    limit = _LARGE_LIMIT if is_large else _LIMIT
    if len(head) + body <= limit:
        return None
    text = f"This message may have {limit} bytes, and has {len(head) + body}"
    return _refuse(message, ErrorType.LIMITS_EXCEEDED, text)


def _unreadable(head: bytes) -> Message | None:
    message = _header(head)
    return message and _refuse(message, ErrorType.INVALID_ARGS, "The arguments cannot be read")


def _header(head: bytes) -> Message | None:
    """Return a message without its body."""
    return _decode(head[:4] + bytes(4) + head[8:])


def _refuse(message: Message, error: ErrorType, text: str) -> Refused:
    refused = Refused(
        destination=message.destination,
        path=message.path,
        interface=message.interface,
        member=message.member,
        message_type=message.message_type,
        unix_fds=message.unix_fds,
        flags=message.flags,
        error_name=message.error_name,
        reply_serial=message.reply_serial,
        sender=message.sender,
        body=[],
        serial=message.serial,
        validate=False,
    )
    refused.error = (error, text)
    return refused
