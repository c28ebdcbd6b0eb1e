# SPDX-License-Identifier: GPL-3.0-or-later
"""The cookies that let programs use an X display, as Xau(3) stores them in files. Pure.

A file is a row of entries. An entry is a family, as a 16-bit number, and four fields: address,
display's number, name of the method, data. Each field is its length, as a 16-bit number, and its
bytes. All numbers are big-endian.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

_FAMILY_LOCAL = 256  # address: the host's name. X11/Xauth.h
_FAMILY_WILD = 0xFFFF  # for every address
_NUMBER = struct.Struct(">H")
_FIELDS = 4


class Entry(NamedTuple):
    """An entry of such a file."""

    family: int
    address: bytes
    number: bytes
    name: bytes
    data: bytes


def for_any_host(content: bytes, display: str, host: str) -> bytes:
    """Return the cookies that a program on host would use for one of its own displays.

    content: the file's. display: its number. host: the host's name. What comes back is a file as
    well, whose entries are good on a host of any other name: a container has a name of its own.
    It is empty when there is no cookie for the display.
    """
    chosen = [
        entry._replace(family=_FAMILY_WILD, address=b"")
        for entry in parse(content)
        if _is_of(entry, display.encode(), host.encode())
    ]
    return b"".join(map(_write, chosen))


def parse(content: bytes) -> Iterator[Entry]:
    """Yield the entries. What follows the last whole one is passed over, as libXau does."""
    position = 0
    try:
        while position < len(content):
            [family] = _NUMBER.unpack_from(content, position)
            position += _NUMBER.size
            fields = []
            for _ in range(_FIELDS):
                field, position = _read_field(content, position)
                fields.append(field)
            yield Entry(family, *fields)
    except struct.error:
        return


def _read_field(content: bytes, position: int) -> tuple[bytes, int]:
    """Return the field that begins at position, and where it ends."""
    [length] = _NUMBER.unpack_from(content, position)
    begin = position + _NUMBER.size
    [field] = struct.unpack_from(f"{length}s", content, begin)
    return field, begin + length


def _is_of(entry: Entry, display: bytes, host: bytes) -> bool:
    """Whether libXau takes the entry for that display: XauGetBestAuthByAddr(3)."""
    is_hosts = entry.family == _FAMILY_LOCAL and entry.address == host
    return (is_hosts or entry.family == _FAMILY_WILD) and entry.number in (b"", display)


def _write(entry: Entry) -> bytes:
    fields = (_NUMBER.pack(len(field)) + field for field in entry[1:])
    return _NUMBER.pack(entry.family) + b"".join(fields)
