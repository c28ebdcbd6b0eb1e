# SPDX-License-Identifier: GPL-3.0-or-later
from hypothesis import given
from hypothesis import strategies as st

from kapsule.terminal import osc


def test_push_names_the_container_and_our_type() -> None:
    """The bytes are those that Konsole's detector waits for."""
    assert osc.push("dev") == bytes.fromhex(
        "1b5d3737373b636f6e7461696e65723b707573683b"
    ) + b"dev" + bytes.fromhex("3b6b617073756c6507")


def test_pop_is_the_bare_mark() -> None:
    """Leaving names nothing."""
    assert osc.pop() == bytes.fromhex("1b5d3737373b636f6e7461696e65723b706f703b3b07")


@given(st.text())
def test_a_name_cannot_end_the_mark(name: str) -> None:
    """No name puts another separator, escape or bell into the mark."""
    mark = osc.push(name)
    assert mark.count(b";") == 4
    assert mark.count(b"\a") == 1
    assert mark.count(b"\x1b") == 1
