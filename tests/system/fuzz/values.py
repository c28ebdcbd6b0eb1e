# SPDX-License-Identifier: GPL-3.0-or-later
"""Values for calls: valid ones, valid ones with something wrong in them, and anything at all."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisWarning

T = TypeVar("T")

_NAMES = ("shared", "bobs", "kapsule", "t", "a-b", "X9", "default", "debian", "x" * 63)
_IMAGES = (
    *("local:busybox", "local:debian", "images:ubuntu/24.04", "kapsule:dev", "debian/12", ""),
    *("https://127.0.0.1:9/x", "local:0123456789ab", "file:///etc/shadow", "ftp://x/y"),
)
_PATHS = (
    *(
        "/",
        "/etc",
        "/root",
        "/srv",
        "/home/bob",
        "/home/alice",
        "~/",
        "~",
        "~alice/",
        "/proc/1/root",
    ),
    *("/dev/zero", "/proc/self/fd/0", "/var/lib/incus/unix.socket", "/home/bob/x:ro", "", "x", "."),
)
_USERS = ("bob", "alice", "root", "nobody", "")
_WORDS = ("true", "sh", "-c", "id", "--", "-x", "", "$(id)", "`id`", ";reboot", "/bin/sh")
_VARIABLES = (
    *("PATH", "HOME", "TERM", "WAYLAND_DISPLAY", "DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR"),
    *("SSH_AUTH_SOCK", "PULSE_SERVER", "DBUS_SESSION_BUS_ADDRESS", "LD_PRELOAD", "LANG", "", "A=B"),
)
_OBJECTS = ("/", "/org/kde/kapsule", "/org/kde/kapsule/operations", "/x", "/org/freedesktop/DBus")
_ENDINGS = (
    *(
        "?project=other",
        "#x",
        "/",
        "/..",
        "/../x",
        "/snapshots/s",
        "%2e%2e",
        "%00",
        "\n",
        " ",
        "\t",
    ),
    *(
        "'",
        '"',
        "\\",
        ";reboot",
        "$(id)",
        "\x1b[2J",
        "\u202e",
        "\ufeff",
        "\U0001f600",
        "=",
        ",",
        ":ro",
    ),
)
_BEGINNINGS = ("-", "--", "../", "../../", "/", "//", "~", "local:", "@", ".", " ", "\n", "é")
_NUMBERS: tuple[int, ...] = (
    0,
    1,
    2,
    3,
    5,
    24,
    80,
    127,
    128,
    255,
    256,
    1000,
    1001,
    32767,
    65535,
    65536,
    2**31 - 1,
)
_NUMBERS += (2**31, 2**32 - 1, 2**63, 2**64 - 1, -1, -2, -(2**31), -(2**63))

Pools = Mapping[str, Sequence[Any]]


def pools(number: int, size: int) -> Pools:
    """Return values by what they are for. number: a seed; the same gives the same.

    size: about how many of each. Strings are such as the bus takes.
    """
    strategies = {
        "name": _like(_NAMES),
        "image": _like(_IMAGES),
        "path": _like(_PATHS),
        "user": _like(_USERS),
        "word": _like(_WORDS),
        "variable": _like(_VARIABLES),
        "text": st.text(_characters(), max_size=40),
    }
    found: dict[str, Sequence[Any]] = {
        key: draw(strategy, size, number) for key, strategy in strategies.items()
    }
    return found | {"object": _OBJECTS, "number": _NUMBERS}


def draw(strategy: st.SearchStrategy[T], size: int, number: int) -> list[T]:
    """Return size values of a strategy, the same for the same number."""
    values: list[T] = []

    @seed(number)
    @settings(
        max_examples=size,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(value: T) -> None:
        values.append(value)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", HypothesisWarning)
        collect()
    return values


def _like(valid: Sequence[str]) -> st.SearchStrategy[str]:
    return st.one_of(st.sampled_from(valid), _mutated(valid), _mutated(valid), _any_text())


@st.composite
def _mutated(draw_one: st.DrawFn, valid: Sequence[str]) -> str:
    text = draw_one(st.sampled_from(valid))
    for change in draw_one(st.lists(st.sampled_from(_CHANGES), min_size=1, max_size=3)):
        text = change(draw_one, text)
    return text[:200_000]


def _any_text() -> st.SearchStrategy[str]:
    return st.text(_characters(), max_size=30)


def _characters() -> st.SearchStrategy[str]:
    # What the bus lets through: no NUL, nothing that is not UTF-8.
    return st.characters(exclude_categories=["Cs"], exclude_characters="\0")


def _begin(draw_one: st.DrawFn, text: str) -> str:
    return draw_one(st.sampled_from(_BEGINNINGS)) + text


def _end(draw_one: st.DrawFn, text: str) -> str:
    return text + draw_one(st.sampled_from(_ENDINGS))


def _insert(draw_one: st.DrawFn, text: str) -> str:
    place = draw_one(st.integers(0, len(text)))
    return text[:place] + draw_one(_characters()) + text[place:]


def _cut(draw_one: st.DrawFn, text: str) -> str:
    return text[: draw_one(st.integers(0, len(text)))]


def _repeat(draw_one: st.DrawFn, text: str) -> str:
    return text * draw_one(st.sampled_from((2, 64, 1000)))


def _swap_case(_: st.DrawFn, text: str) -> str:
    return text.swapcase()


_CHANGES: tuple[Callable[[st.DrawFn, str], str], ...] = (
    *(_begin, _begin, _end, _end, _end, _insert, _cut, _repeat, _swap_case),
)
