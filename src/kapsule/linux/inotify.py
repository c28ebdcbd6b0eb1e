# SPDX-License-Identifier: GPL-3.0-or-later
"""inotify(7): be told what happens in directories. Raises only OSError and knows no policy."""

import ctypes
import os
import struct
from typing import NamedTuple

from kapsule.linux.result import check

CLOSE_WRITE = 0x008
MOVED_FROM = 0x040
MOVED_TO = 0x080
CREATE = 0x100
DELETE = 0x200
DELETE_SELF = 0x400
MOVE_SELF = 0x800
Q_OVERFLOW = 0x4000
IGNORED = 0x8000

_ONLYDIR = 0x01000000
_HEADER = struct.Struct("iIII")
_BUFFER = 64 * 1024

_libc = ctypes.CDLL(None, use_errno=True)


class Event(NamedTuple):
    """watch: what add_watch() returned, -1 for Q_OVERFLOW. name: in the directory, or ""."""

    watch: int
    mask: int
    name: str


def open_queue() -> int:
    """Return a descriptor from which events can be read, without waiting for any."""
    return check(_libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))


def add_watch(queue: int, directory: str, mask: int) -> int:
    """Watch a directory and return the watch; one that is watched already keeps its own."""
    return check(_libc.inotify_add_watch(queue, os.fsencode(directory), mask | _ONLYDIR))


def remove_watch(queue: int, watch: int) -> None:
    """Watch a directory no more."""
    check(_libc.inotify_rm_watch(queue, watch))


def read_events(queue: int) -> list[Event]:
    """Return the events that have come. Raises BlockingIOError when there are none."""
    data, events, at = os.read(queue, _BUFFER), [], 0
    while at < len(data):
        watch, mask, _, length = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        events.append(Event(watch, mask, os.fsdecode(data[at : at + length].rstrip(b"\0"))))
        at += length
    return events
