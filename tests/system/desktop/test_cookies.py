# SPDX-License-Identifier: GPL-3.0-or-later
"""X cookies: a guest gets copies of those for its display, and they are good under its name."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.desktop.guest import Guest, Session
from tests.system.desktop.servers import XServer, entry
from tests.system.desktop.test_planted import precious

HOST = os.uname().nodename
# What the guest's root puts at the place of the copy.
PLANTS = {
    "link-to-a-file": "ln -s /etc/passwd {}",
    "link-into-the-home": "ln -s /home/alice/planted {}",
    "link-to-a-file-of-the-host": "ln -s /.kapsule/host/etc/passwd {}",
    "hard-link": "cp /etc/passwd /run/user/1000/other; ln /run/user/1000/other {0}",
    "fifo": "mkfifo {}",
    "device": "mknod {} c 1 5",
    "file-for-all": "echo content > {0}; chmod 666 {0}",
    "mount": "touch {0}; mount --bind /etc/hostname {0}",
    "directory": "mkdir {}",
}


@contextmanager
def _file(guest: Guest, path: str, content: bytes) -> Iterator[None]:
    guest.desktop.x11.write_authority(path, content)
    try:
        yield
    finally:
        Path(path).unlink()


@pytest.mark.parametrize("host", ["", HOST], ids=["any-host", "startx"])
@pytest.mark.parametrize(
    "place", ["/tmp/xauth_Ab12cD", "{runtime}/.mutter-Xwaylandauth.X", "{home}/.Xauthority-tests"]
)
def test_places(guest: Guest, place: str, host: str) -> None:
    """XAUTHORITY may lie in /tmp, in the runtime directory and in the home."""
    x11 = guest.desktop.x11
    home = guest.desktop.user.account.pw_dir
    path = place.format(runtime=guest.desktop.runtime, home=home)
    with _file(guest, path, entry(x11.number, x11.cookie, host)):
        env = {**guest.desktop.environment, "XAUTHORITY": path}
        assert x11.answer in guest.shell("xdpyinfo", env)


@pytest.mark.parametrize("host", ["", HOST], ids=["any-host", "startx"])
def test_the_default_place(guest: Guest, host: str) -> None:
    """Where XAUTHORITY is not set, it is ~/.Xauthority; without a cookie nobody gets in."""
    x11 = guest.desktop.x11
    path = f"{guest.desktop.user.account.pw_dir}/.Xauthority"
    env = {key: value for key, value in guest.desktop.environment.items() if key != "XAUTHORITY"}
    assert guest.enter("xdpyinfo", env=env).code != 0
    with _file(guest, path, entry(x11.number, x11.cookie, host)):
        assert x11.answer in guest.shell("xdpyinfo", env)


def test_a_copy(guest: Guest) -> None:
    """It is the user's alone, is no mount, and has no cookie for another display or host."""
    x11 = guest.desktop.x11
    others = entry(9, b"secret-display", HOST) + entry(x11.number, b"secret-host", "elsewhere")
    path = "/tmp/xauth_several"
    with _file(guest, path, others + entry(x11.number, x11.cookie, HOST)):
        env = {**guest.desktop.environment, "XAUTHORITY": path}
        copy = guest.variable("XAUTHORITY", env)
        assert copy is not None
        found = guest.path(copy)
        assert found.read_bytes() == entry(x11.number, x11.cookie)
        assert found.lstat().st_mode == 0o100600
        assert found.owner() == guest.desktop.user.name
        assert not guest.shares(copy, path)
        assert copy not in [mount.point for mount in guest.mounts()]
        assert x11.answer in guest.shell("xdpyinfo", env)


def test_what_did_not_change_is_not_written(guest: Guest) -> None:
    """Enters with the same cookie leave the copy; what somebody did to it is put right."""
    copy = guest.path(guest.variable("XAUTHORITY") or "")
    before = copy.lstat()
    guest.shell("true")
    assert (copy.lstat().st_ino, copy.lstat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    guest.shell("echo other > $XAUTHORITY")
    assert guest.desktop.x11.answer in guest.shell("xdpyinfo")


def test_two_displays(guest: Guest) -> None:
    """Terminals on two displays work side by side, with cookies in two files and in one."""
    x11 = guest.desktop.x11
    second = XServer(guest.desktop.user, 8)
    second.start()
    cookies = entry(x11.number, x11.cookie, HOST) + entry(8, second.cookie, HOST)
    env = {**guest.desktop.environment, "DISPLAY": ":8", "XAUTHORITY": second.authority}
    try:
        with (
            Session(guest) as one,
            Session(guest, env) as other,
            _file(guest, "/tmp/xauth_both", cookies),
            Session(guest, {**env, "XAUTHORITY": "/tmp/xauth_both"}) as third,
            Session(guest, {**env, "DISPLAY": ":7", "XAUTHORITY": "/tmp/xauth_both"}) as fourth,
        ):
            for session, server in ((one, x11), (other, second), (third, second), (fourth, x11)):
                assert server.answer in session.run("xdpyinfo")
    finally:
        second.stop()


@pytest.mark.parametrize("plant", PLANTS)
def test_plants(guest: Guest, plant: str) -> None:
    """The guest's root gets nothing written elsewhere; what cannot be put in place is said."""
    copy = guest.variable("XAUTHORITY") or ""
    guest.as_root(f"rm -f {copy}; {PLANTS[plant].format(copy)}")
    before = precious(guest)
    result = guest.enter("xdpyinfo")
    if plant == "directory":
        assert copy in result.error
        guest.as_root(f"rmdir {copy}")
    else:
        assert guest.desktop.x11.answer in result.text, result.error
        assert guest.path(copy).read_bytes() == entry(7, guest.desktop.x11.cookie)
    assert precious(guest) == before
    assert guest.enter("xdpyinfo").code == 0
