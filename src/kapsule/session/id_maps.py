# SPDX-License-Identifier: GPL-3.0-or-later
"""Ids of the host as ids of a user namespace: user_namespaces(7). Pure."""

from collections.abc import Iterable


def to_inside(ids: Iterable[int], id_map: str) -> list[int]:
    """Return ids as the namespace has them; those that it does not have are left out.

    id_map: the text of /proc/PID/uid_map or gid_map, as a process of the host reads it.
    """
    ranges = _ranges(id_map)
    return [
        inside + number - outside
        for number in ids
        for inside, outside, count in ranges
        if outside <= number < outside + count
    ]


def end(id_map: str) -> int:
    """Return the number above the highest id that the namespace has."""
    return max((inside + count for inside, _, count in _ranges(id_map)), default=0)


def _ranges(id_map: str) -> list[tuple[int, int, int]]:
    rows = (line.split() for line in id_map.splitlines())
    return [(int(inside), int(outside), int(count)) for inside, outside, count in rows]
