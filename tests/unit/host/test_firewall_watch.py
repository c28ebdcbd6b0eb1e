# SPDX-License-Identifier: GPL-3.0-or-later
import struct

import pytest

from kapsule.host.firewall_watch import deleted_tables

_DELETED, _MADE = 0x0A02, 0x0A00


def message(kind: int, *attributes: tuple[int, bytes]) -> bytes:
    """Return a message as the kernel sends it about a table."""
    body = b"\1\0\0\0"
    for number, value in attributes:
        body += struct.pack("=HH", 4 + len(value), number) + value + b"\0" * (-len(value) % 4)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def test_which_tables_are_gone() -> None:
    """Of many messages in a packet, those that say that a table was deleted count."""
    packet = (
        message(_MADE, (1, b"made\0"))
        + message(_DELETED, (2, b"flag"), (1, b"one\0"))
        + message(_DELETED, (1 | 1 << 15, b"three\0"))
    )
    assert list(deleted_tables(packet)) == ["one", "three"]


@pytest.mark.parametrize("packet", [b"", b"\0" * 40, b"\xff" * 40, message(_DELETED)[:-4]])
def test_packets_that_make_no_sense(packet: bytes) -> None:
    """They say nothing."""
    assert list(deleted_tables(packet)) == []
