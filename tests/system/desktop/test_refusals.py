# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables that name what must not be shared: nothing is mounted, and the session starts."""

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.system.desktop.guest import Guest, Mount
from tests.system.desktop.hostile import FOLDER, FORMS, traps
from tests.system.support.users import Result, User

PRECIOUS = ("/etc/shadow", "/etc/passwd", "/etc/hostname", "/etc/ld.so.cache")
# There is no such file: that is no reason to refuse it, and none for a note.
NOT_THERE = ("long", "long-name", "long-relative", "newline", "escape", "not-utf-8", "blank")
VARIABLES = sorted({variable for hostile in FORMS.values() for variable in hostile})

_pieces = st.sampled_from(
    [
        *("..", ".", "", "~", "*", " ", "\n", "%2e%2e", "$HOME", "\u202e", "\udcff", "x" * 300),
        *(
            "etc",
            "shadow",
            "passwd",
            "run",
            "tmp",
            "home",
            "bob",
            "proc",
            "self",
            "fd",
            "0",
            "root",
        ),
        *("traps", "socket", "of-root", "of-bob", "fifo", "to-etc", "closed", "wayland-0", "bus"),
    ]
)
_starts = st.sampled_from(["", "/", "unix:", "unix:path=", "unix:path=/", ":", ":7", "{x}", "tcp:"])
_paths = st.lists(_pieces, max_size=8).map("/".join)
_values = st.one_of(
    st.builds(str.__add__, _starts, _paths),
    st.text(st.characters(exclude_characters="\0", exclude_categories=()), max_size=40),
)


@pytest.fixture(scope="module", autouse=True)
def _traps(alice: User, bob: User, root: User) -> Iterator[None]:
    with traps(alice, bob, root):
        yield


@pytest.fixture(scope="module")
def calm(guest: Guest) -> Guest:
    """The shared container, in which all that the host shares by default is mounted."""
    guest.shell("true", _environment(guest))
    return guest


def _environment(guest: Guest, **hostile: str) -> dict[str, str]:
    # Cookies are for a display.
    display = {"DISPLAY": ":7"} if "XAUTHORITY" in hostile else {}
    return {"XDG_RUNTIME_DIR": guest.desktop.runtime, **display, **hostile}


def test_there_are_many_forms() -> None:
    """Hand-made ones for each of the variables."""
    assert sum(map(len, FORMS.values())) >= 40


@pytest.mark.parametrize("form", FORMS)
def test_refusals(calm: Guest, form: str) -> None:
    """It is not mounted, not in the environment, and the person is told why."""
    hostile = FORMS[form]
    before = {mount.point for mount in calm.mounts()}
    copies = _copies(calm)
    precious = _fingerprints(calm)
    result = calm.enter("env", "-0", env=_environment(calm, **hostile))
    assert result.code == 0, result.error
    new = {mount.point for mount in calm.mounts()} - before
    assert new <= {"/tmp/.X11-unix/X7"}
    assert _copies(calm) == copies
    assert _fingerprints(calm) == precious
    for variable, value in hostile.items():
        line = f"{variable}={value}".encode(errors="surrogateescape")
        assert line not in result.out.split(b"\0")
        assert form in NOT_THERE or variable in _notes(result), result.error


@pytest.mark.parametrize("variable", [*VARIABLES, "XDG_RUNTIME_DIR"])
def test_empty(calm: Guest, variable: str) -> None:
    """An empty variable is as good as none: there is nothing to say."""
    before = set(calm.mounts())
    result = calm.enter("echo", "in", env=_environment(calm) | {variable: ""})
    assert result.text == "in"
    assert set(calm.mounts()) - before == set()
    assert "Note:" not in result.error


@pytest.mark.parametrize("name", ["/nowhere", "/tmp/traps/nowhere", "nowhere"])
def test_missing(calm: Guest, name: str) -> None:
    """A socket that is not there is not mounted, and programs are not sent to look for it."""
    before = set(calm.mounts())
    env = _environment(calm, WAYLAND_DISPLAY=name, SSH_AUTH_SOCK=name)
    inside = calm.variables(env)
    assert not {"WAYLAND_DISPLAY", "SSH_AUTH_SOCK"} & inside.keys()
    assert set(calm.mounts()) - before == set()


@pytest.mark.parametrize(
    "place",
    ["/", "/root", "/etc", "/run", "/run/user/0", "/run/user/1001", "../..", "/proc/self/cwd"],
)
def test_runtime_directories_of_others(calm: Guest, place: str) -> None:
    """What lies in a folder that is not the caller's runtime directory is not taken for theirs."""
    before = set(calm.mounts())
    env = _environment(calm, WAYLAND_DISPLAY="wayland-0") | {"XDG_RUNTIME_DIR": place}
    assert calm.enter("echo", "in", env=env).text == "in"
    new = set(calm.mounts()) - before
    assert all(_is_fine(calm, mount) for mount in new), new


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(hostile=st.dictionaries(st.sampled_from(VARIABLES), _values, min_size=1))
def test_generated(calm: Guest, hostile: dict[str, str]) -> None:
    """Whatever the variables hold, only sockets and cookies of the caller's get in."""
    precious = _fingerprints(calm)
    result = calm.enter("echo", "in", env=_environment(calm, **hostile))
    assert (result.code, result.text) == (0, "in"), result.error
    assert all(_is_fine(calm, mount) for mount in calm.additions())
    assert _fingerprints(calm) == precious


def _notes(result: Result) -> str:
    return "\n".join(line for line in result.error.splitlines() if line.startswith("Note:"))


def _copies(guest: Guest) -> list[str]:
    """Return the names of the cookies' copies in the guest, whole or half-made."""
    names = os.listdir(guest.path(guest.desktop.runtime))
    return sorted(name for name in names if "kapsule-xauthority" in name)


def _is_fine(guest: Guest, mount: Mount) -> bool:
    """Whether it is a socket, or a file that the user may read, where such things belong."""
    found = guest.path(mount.point).lstat()
    readable = stat.S_ISREG(found.st_mode) and found.st_uid == guest.desktop.user.account.pw_uid
    places = (f"{guest.desktop.runtime}/", "/tmp/.X11-unix/X", "/run/cups/cups.sock")
    allowed = stat.S_ISSOCK(found.st_mode) and not _is_trap(found)
    return (readable or allowed) and mount.point.startswith(places)


def _is_trap(found: os.stat_result) -> bool:
    others = [Path(FOLDER, name).lstat() for name in ("of-root", "of-bob", "closed/socket")]
    return (found.st_dev, found.st_ino) in [(each.st_dev, each.st_ino) for each in others]


def _fingerprints(guest: Guest) -> list[tuple[int, str]]:
    found = [path for name in PRECIOUS for path in (Path(name), guest.path(name))]
    return [(path.stat().st_ino, hashlib.sha256(path.read_bytes()).hexdigest()) for path in found]
