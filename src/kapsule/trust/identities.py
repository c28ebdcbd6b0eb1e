# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a container's users are on the host, and what its root may do there. Pure."""

import json
from collections.abc import Iterator, Mapping

from kapsule.linux.capabilities import names_of
from kapsule.trust.crossing import Crossing

_KIND, _CAPABILITY = "identity", "capability"
_MAP = "volatile.idmap.current"
_ALL = (1 << 41) - 1  # those that the kernel has: linux/capability.h


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
    for kind, inside, outside, count in _ranges(config):
        if inside == outside:
            yield Crossing(
                _KIND,
                f"{kind} {inside}",
                "the same",
                "what its owner shares belongs to them on both sides",
            )
        else:
            yield Crossing(
                _KIND,
                f"{kind} {inside} to {inside + count - 1}",
                f"{kind} {outside} to {outside + count - 1} on the host",
                "root and all other users in it are nobody on the host",
            )


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


def _ranges(config: Mapping[str, str]) -> Iterator[tuple[str, int, int, int]]:
    """Yield kind, first id inside, first on the host, and count, as Incus has put them down."""
    try:
        entries = json.loads(config.get(_MAP, "[]"))
        for entry in entries:
            kind = "uid" if entry["Isuid"] else "gid"
            yield kind, int(entry["Nsid"]), int(entry["Hostid"]), int(entry["Maprange"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return
