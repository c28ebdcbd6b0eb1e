# SPDX-License-Identifier: GPL-3.0-or-later
"""D-Bus messages as bytes, right ones and wrong ones: the D-Bus specification, "Message Protocol".

Nothing is checked: what a library would refuse to send is what is wanted here.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

METHOD_CALL, METHOD_RETURN, ERROR, SIGNAL = 1, 2, 3, 4
NO_REPLY_EXPECTED = 1

# Field code -> its type.
_FIELDS = {1: "o", 2: "s", 3: "s", 4: "s", 5: "u", 6: "s", 7: "s", 8: "g", 9: "u"}
_PATH, _INTERFACE, _MEMBER, _ERROR_NAME, _REPLY_SERIAL = 1, 2, 3, 4, 5
_DESTINATION, _SENDER, _SIGNATURE, _FDS = 6, 7, 8, 9

_NUMBERS = {"y": "B", "n": "h", "q": "H", "i": "i", "u": "I", "x": "q", "t": "Q", "d": "d"}
_NUMBERS |= {"b": "I", "h": "I"}
_ALIGNMENT = {"g": 1, "v": 1, "s": 4, "o": 4, "a": 4, "(": 8, "{": 8}


@dataclass(frozen=True, slots=True)
class Message:
    """A message. kind: its type. body: a value for each type in signature.

    A variant is a pair of signature and value. order: "<" or ">". extra: further header fields,
    each a code, a signature and a value.
    """

    path: str = ""
    interface: str = ""
    member: str = ""
    signature: str = ""
    body: tuple[Any, ...] = ()
    kind: int = METHOD_CALL
    flags: int = 0
    destination: str = "org.kde.kapsule"
    reply_serial: int = 0
    error_name: str = ""
    fds: int = 0
    order: str = "<"
    extra: tuple[tuple[int, str, Any], ...] = ()

    def encode(self, serial: int) -> bytes:
        """Return it as it goes over the socket."""
        body = bytearray()
        for each, value in zip(types(self.signature), self.body, strict=True):
            put(body, each, value, self.order)
        fields = bytearray()
        for code, signature, value in self._fields():
            _pad(fields, 8)
            fields.append(code)
            put(fields, "v", (signature, value), self.order)
        prefix = (b"l" if self.order == "<" else b"B") + bytes((self.kind, self.flags, 1))
        message = bytearray(prefix)
        message += struct.pack(self.order + "III", len(body), serial, len(fields))
        message += fields
        _pad(message, 8)
        return bytes(message + body)

    def _fields(self) -> Iterator[tuple[int, str, Any]]:
        values = {
            _PATH: self.path,
            _INTERFACE: self.interface,
            _MEMBER: self.member,
            _ERROR_NAME: self.error_name,
            _REPLY_SERIAL: self.reply_serial,
            _DESTINATION: self.destination,
            _SIGNATURE: self.signature,
            _FDS: self.fds,
        }
        for code, value in values.items():
            if value:
                yield code, _FIELDS[code], value
        yield from self.extra


@dataclass(frozen=True, slots=True)
class Reply:
    """What came. member: of a signal. error: its name, "" for a result. text: the first of it."""

    kind: int
    reply_serial: int
    sender: str
    member: str
    error: str
    signature: str
    text: str


def types(signature: str) -> list[str]:
    """Return the complete types that a signature consists of."""
    found, rest = [], signature
    while rest:
        length = _length(rest)
        found.append(rest[:length])
        rest = rest[length:]
    return found


def _length(signature: str) -> int:
    first = signature[0]
    if first == "a":
        return 1 + _length(signature[1:])
    if first not in "({":
        return 1
    end = 1
    while signature[end] not in ")}":
        end += _length(signature[end:])
    return end + 1


def put(data: bytearray, kind: str, value: Any, order: str) -> None:
    """Append a value of one complete type. Text that is not UTF-8 goes as it is."""
    first = kind[0]
    if first in _NUMBERS:
        code = order + _NUMBERS[first]
        _pad(data, struct.calcsize(code))
        data += struct.pack(code, value)
    elif first in "so":
        text = _bytes(value)
        _pad(data, 4)
        data += struct.pack(order + "I", len(text)) + text + b"\0"
    elif first == "g":
        text = _bytes(value)
        data += bytes((len(text),)) + text + b"\0"
    elif first == "v":
        put(data, "g", value[0], order)
        put(data, value[0], value[1], order)
    elif first == "a":
        _put_array(data, kind[1:], value, order)
    else:
        _pad(data, 8)
        for each, part in zip(types(kind[1:-1]), value, strict=True):
            put(data, each, part, order)


def _put_array(data: bytearray, kind: str, values: Any, order: str) -> None:
    _pad(data, 4)
    place = len(data)
    data += b"\0\0\0\0"
    _pad(data, _align(kind))
    begin = len(data)
    if kind == "y" and isinstance(values, bytes):
        data += values
    else:
        for value in values.items() if kind[0] == "{" else values:
            put(data, kind, value, order)
    struct.pack_into(order + "I", data, place, len(data) - begin)


def _align(kind: str) -> int:
    first = kind[0]
    return _ALIGNMENT[first] if first in _ALIGNMENT else struct.calcsize(_NUMBERS[first])


def _pad(data: bytearray, alignment: int) -> None:
    data += bytes(-len(data) % alignment)


def _bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text


def size(header: bytes) -> int:
    """Return how long the whole message is that begins with these 16 bytes."""
    body, _, fields = struct.unpack_from(_order(header) + "III", header, 4)
    return 16 + int(fields) + -int(fields) % 8 + int(body)


def decode(data: bytes) -> Reply:
    """Return what a test wants to know of a message of the bus."""
    order = _order(data)
    (length,) = struct.unpack_from(order + "I", data, 12)
    fields: dict[int, Any] = {}
    position, end = 16, 16 + length
    while position < end:
        position += -position % 8
        code, kind = data[position], chr(data[position + 2])
        fields[code], position = _get(data, position + 4, kind, order)
    signature = fields.get(_SIGNATURE, "")
    error = fields.get(_ERROR_NAME, "")
    text = ""
    if signature[:1] in ("s", "o"):
        text, _ = _get(data, end + -end % 8, "s", order)
    serial, sender = fields.get(_REPLY_SERIAL, 0), fields.get(_SENDER, "")
    return Reply(data[1], serial, sender, fields.get(_MEMBER, ""), error, signature, text)


def _get(data: bytes, position: int, kind: str, order: str) -> tuple[Any, int]:
    if kind == "g":
        begin, length = position + 1, data[position]
    else:
        position += -position % 4
        (length,) = struct.unpack_from(order + "I", data, position)
        begin = position + 4
        if kind == "u":
            return length, begin
    return data[begin : begin + length].decode(), begin + length + 1


def _order(data: bytes | Sequence[int]) -> str:
    return "<" if data[0] == ord("l") else ">"
