# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the host's desktop a session shares, as a value that travels as JSON. Pure."""

from typing import Any, NamedTuple

SOCKET = "socket"
FILE = "file"
COOKIES = "cookies"
FILTERED_BUS = "filtered bus"


class Share(NamedTuple):
    """One socket or file of the host that shall be seen in the container.

    source: its path on the host, which the caller may have chosen. target: its path in the
    container, which we chose. kind: SOCKET, FILE or COOKIES; a FILE is shared read-only, of COOKIES
    a copy is made with what is for the display. In place of a FILTERED_BUS, a session bus, there is
    the socket of a proxy, which lets a few calls pass: session/bus_proxy.py.
    variable, value: what is set in the session's environment when it is there, "" for nothing.
    named: whether the caller named it, so that they are told when it cannot be shared.
    system: whether it may belong to root, because we chose the source.
    display: the number of the X display that COOKIES are for.
    """

    source: str
    target: str
    kind: str = SOCKET
    variable: str = ""
    value: str = ""
    named: bool = False
    system: bool = False
    display: str = ""


def to_wire(shares: tuple[Share, ...]) -> list[list[Any]]:
    """Return the shares as JSON can carry them."""
    return [list(share) for share in shares]


def from_wire(wire: list[list[Any]]) -> tuple[Share, ...]:
    """Return what `to_wire` was given."""
    return tuple(Share(*fields) for fields in wire)
