# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapsule.errors import InvalidArgument
from kapsule.images.resolve import SERVERS, ImageSource, resolve_image


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("local:debian", ImageSource("", "debian", "")),
        ("images:debian/12", ImageSource(SERVERS["images"], "debian/12", "simplestreams")),
        ("debian/12", ImageSource(SERVERS["images"], "debian/12", "simplestreams")),
        ("ubuntu:24.04", ImageSource(SERVERS["ubuntu"], "24.04", "simplestreams")),
    ],
)
def test_known_servers(spec: str, expected: ImageSource) -> None:
    """A known server and an alias name an image; without a server it is `images`."""
    assert resolve_image(spec) == expected


def test_local_is_local() -> None:
    """Only an image in Incus's own store is local."""
    assert resolve_image("local:debian").is_local
    assert not resolve_image("debian").is_local


def test_unknown_server() -> None:
    """The error names the server and those that there are, in the words scripts look for."""
    with pytest.raises(InvalidArgument) as raised:
        resolve_image("nowhere:debian")
    assert raised.value.message == (
        "Unknown server alias: 'nowhere'. Known aliases: images, local, ubuntu"
    )


@pytest.mark.parametrize("spec", ["https://example.org/x", "docker://busybox", ":debian"])
def test_other_ways_to_name_images(spec: str) -> None:
    """URLs, OCI references and an empty server are told apart from aliases."""
    with pytest.raises(InvalidArgument, match="Unknown server alias"):
        resolve_image(spec)


@pytest.mark.parametrize(
    "alias",
    [
        *("", "/", "a//b", "/a", "a/", ".", "..", "../images/abc", "a/../b", "a/."),
        *("a?project=x", "a#b", "a%2e", "a b", "a\\b", "a\nb", "a\0b", "a\x7fb", "a\udc80"),
    ],
)
@pytest.mark.parametrize("server", ["", "local:", "images:"])
def test_hostile_aliases(server: str, alias: str) -> None:
    """What would mean something else in a URL is refused before anybody is asked."""
    with pytest.raises(InvalidArgument):
        resolve_image(server + alias)


@pytest.mark.parametrize("server", ["local:", "images:"])
def test_an_alias_with_a_second_colon(server: str) -> None:
    """Only the first colon ends the name of the server."""
    with pytest.raises(InvalidArgument):
        resolve_image(server + "a:b")


@given(st.text())
def test_any_text(text: str) -> None:
    """Whatever is asked for, the answer is a clean alias or a clear refusal."""
    try:
        alias = resolve_image("local:" + text).alias
    except InvalidArgument:
        return
    assert alias == text
    assert alias.isprintable()
    assert not set(alias) & set("?#%\\: ")
