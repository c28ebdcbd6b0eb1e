# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a container's users are on the host, and what its root may do there. Pure."""

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from kapsule.linux.capabilities import names_of
from kapsule.trust.crossing import Crossing

_KIND, _CAPABILITY = "identity", "capability"
_MAP = "volatile.idmap.current"
_ALL = (1 << 41) - 1  # those that the kernel has: linux/capability.h


class IdRange(NamedTuple):
    """A row of a container's id map: user_namespaces(7). kind: uid or gid."""

    kind: str
    inside: int
    outside: int
    size: int


def identities(config: Mapping[str, str], *, isolated: bool) -> Iterator[Crossing]:
    """Yield who is who. config: of the instance."""
    if not isolated:
        yield Crossing(
            _KIND,
            "root and all users",
            "the same",
            "root in it is root on the host, and every user in it becomes root by sudo; what is "
            "not shared is out of sight, but not out of reach",
        )
        return
    ranges = id_map(config)
    roots = (f"uid {row.outside} on the host" for row in ranges if row[:2] == ("uid", 0))
    yield Crossing(_KIND, "root", next(roots, "an id of its own"), "it is nobody on the host")
    for row in ranges:
        if row.inside == row.outside:
            yield Crossing(
                _KIND,
                f"{row.kind} {row.inside}",
                "the same",
                "what its owner shares belongs to them on both sides",
            )
    yield Crossing(_KIND, "all others", "ids of its own", "they are nobody on the host")


def id_map(config: Mapping[str, str]) -> tuple[IdRange, ...]:
    """Return the id map as Incus has put it down; others may have written there."""
    try:
        return tuple(
            IdRange(
                "uid" if entry["Isuid"] else "gid",
                int(entry["Nsid"]),
                int(entry["Hostid"]),
                int(entry["Maprange"]),
            )
            for entry in json.loads(config.get(_MAP, "[]"))
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return ()


def capabilities(bounding: int | None, *, isolated: bool) -> Crossing:
    """Return what root in it may do. bounding: its init's set; None where it does not run."""
    if isolated:
        meaning = "root in it rules over the container and over nothing of the host"
    else:
        meaning = "root in it rules over the host's kernel, but for what is missing here"
    if bounding is None:
        return Crossing(_CAPABILITY, "unknown, because it does not run", "-", meaning)
    lacking = names_of(_ALL & ~bounding)
    what = "all but " + ", ".join(lacking) if lacking else "all"
    return Crossing(_CAPABILITY, what, "in the container" if isolated else "on the host", meaning)
