# SPDX-License-Identifier: GPL-3.0-or-later
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapsule.errors import InvalidArgument
from kapsule.incus.urls import path


def test_segments_are_levels() -> None:
    """Each segment is one level below the version."""
    assert path("instances", "dev", "state") == "/1.0/instances/dev/state"


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("debian/12", "debian%2F12"),
        ("../images/FP", "..%2Fimages%2FFP"),
        ("x?project=other", "x%3Fproject%3Dother"),
        ("x#y", "x%23y"),
        ("%2e%2e", "%252e%252e"),
        ("a b", "a%20b"),
    ],
)
def test_a_name_cannot_leave_its_level(name: str, quoted: str) -> None:
    """What means something in a URL is quoted."""
    assert path("instances", name) == f"/1.0/instances/{quoted}"


@pytest.mark.parametrize("name", ["", ".", "..", "\udcff"])
def test_what_cannot_be_quoted_is_refused(name: str) -> None:
    """Empty names, dots and broken text are no names."""
    with pytest.raises(InvalidArgument):
        path("instances", name)


@given(st.text())
def test_any_accepted_name_arrives_unchanged(name: str) -> None:
    """Splitting the path as a server does gives the name back, on its own level."""
    try:
        url = urlsplit("http://incus" + path("instances", name, "state"))
    except InvalidArgument:
        return
    assert (url.query, url.fragment) == ("", "")
    assert [unquote(level) for level in url.path.split("/")[2:]] == ["instances", name, "state"]
