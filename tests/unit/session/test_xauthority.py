# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapsule.session.xauthority import Entry, for_any_host, parse

LOCAL, INTERNET, WILD = 256, 0, 0xFFFF
MAGIC = b"MIT-MAGIC-COOKIE-1"


def written(*entries: Entry) -> bytes:
    """Return the file that the entries make, as Xau(3) has it."""
    content = b""
    for family, *fields in entries:
        content += family.to_bytes(2, "big")
        content += b"".join(len(field).to_bytes(2, "big") + field for field in fields)
    return content


def cookie(family: int, address: bytes, number: bytes, data: bytes = b"secret") -> Entry:
    """Return an entry of the usual method."""
    return Entry(family, address, number, MAGIC, data)


def test_the_hosts_name_is_taken_away() -> None:
    """What startx writes is good for the host's name; the copy is good for every name."""
    content = written(cookie(LOCAL, b"desk", b"0"))
    assert for_any_host(content, "0", "desk") == written(cookie(WILD, b"", b"0"))


def test_only_cookies_for_the_display_are_kept() -> None:
    """Those of other displays, other hosts and other networks stay on the host."""
    content = written(
        cookie(LOCAL, b"desk", b"1", b"other display"),
        cookie(LOCAL, b"elsewhere", b"0", b"other host"),
        cookie(INTERNET, b"\xc0\x00\x02\x01", b"0", b"other network"),
        cookie(LOCAL, b"desk", b"0", b"first"),
        cookie(WILD, b"desk", b"", b"for all displays"),
    )
    kept = list(parse(for_any_host(content, "0", "desk")))
    assert [entry.data for entry in kept] == [b"first", b"for all displays"]
    assert {entry.address for entry in kept} == {b""}


@pytest.mark.parametrize("content", [b"", b"cookie", b"\0", written(cookie(LOCAL, b"h", b"1"))])
def test_nothing_for_the_display(content: bytes) -> None:
    """Then there is nothing to share."""
    assert for_any_host(content, "0", "desk") == b""


def test_a_truncated_file() -> None:
    """What is whole counts, wherever the file is cut off: libXau reads it in the same way."""
    first, second = (written(cookie(WILD, b"", b"0", data)) for data in (b"one", b"two"))
    for length in range(len(second)):
        assert for_any_host(first + second[:length], "0", "desk") == first


@given(content=st.binary(max_size=200))
def test_any_content(content: bytes) -> None:
    """Nothing makes it fail, and it never gives more than it was given."""
    kept = for_any_host(content, "0", "desk")
    assert len(kept) <= len(content)
    assert all(entry.family == WILD for entry in parse(kept))


@given(
    entries=st.lists(
        st.builds(Entry, st.integers(0, WILD), *[st.binary(max_size=9) for _ in range(4)])
    )
)
def test_what_was_written_is_read(entries: list[Entry]) -> None:
    """Whatever is in the fields."""
    assert list(parse(written(*entries))) == entries
