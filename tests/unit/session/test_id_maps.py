# SPDX-License-Identifier: GPL-3.0-or-later
"""Ids of the host as ids of a user namespace."""

from kapsule.session.id_maps import end, to_inside

_MAP = """         0    1065536       1000
      1000       1000          1
      1001    1066537     261143
"""


def test_ids_of_a_container() -> None:
    """Each as the container numbers it; those that it does not have are left out."""
    assert to_inside([1065536, 1065563, 1000, 1066537, 0, 27, 1001], _MAP) == [0, 27, 1000, 1001]


def test_the_hosts_own() -> None:
    """In the first user namespace every id is itself."""
    assert to_inside([0, 27, 1000], "0 0 4294967295") == [0, 27, 1000]


def test_how_many_there_are() -> None:
    """The number above the highest; none at all before a map is written."""
    assert end(_MAP) == 262144
    assert end("") == 0
