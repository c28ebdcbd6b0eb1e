# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths on the host that change while the daemon looks at them."""

import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.system.desktop.guest import Guest, Mount
from tests.system.desktop.servers import entry
from tests.system.desktop.sockets import Speaker
from tests.system.support.users import User

FOLDER = "/tmp/swaps"
ENTERS = 15


@pytest.fixture(autouse=True)
def _folder(guest: Guest) -> Iterator[None]:
    guest.desktop.user.run("mkdir", FOLDER)
    yield
    shutil.rmtree(FOLDER)


@pytest.mark.parametrize("variable", ["WAYLAND_DISPLAY", "SSH_AUTH_SOCK", "PULSE_SERVER"])
def test_a_socket_becomes_a_link(guest: Guest, root: User, variable: str) -> None:
    """Only the user's own socket is ever mounted, never what a link leads to at that moment."""
    place = f"{FOLDER}/place"
    with (
        Speaker(f"{FOLDER}/good", guest.desktop.user) as good,
        Speaker(f"{FOLDER}/of-root", root) as secret,
    ):
        candidates = [
            lambda path: os.link(good.path, path),
            lambda path: os.symlink("/etc/shadow", path),
            lambda path: os.symlink(secret.path, path),
            lambda path: os.symlink("/etc", path),
            os.mkfifo,
        ]
        with _swapping(place, candidates):
            _enter_often(guest, variable, place, good.path)
        os.link(good.path, place)
        assert _arrives(guest, variable, place, good.path)


@pytest.mark.parametrize("variable", ["WAYLAND_DISPLAY", "SSH_AUTH_SOCK"])
def test_a_folder_becomes_a_link(guest: Guest, root: User, variable: str) -> None:
    """Nor what lies behind a link that was a folder a moment ago."""
    with (
        Speaker(f"{FOLDER}/good/socket", guest.desktop.user) as good,
        Speaker(f"{FOLDER}/of-root/socket", root),
    ):
        candidates = [
            lambda path: os.symlink("good", path),
            lambda path: os.symlink("of-root", path),
            lambda path: os.symlink("/root", path),
        ]
        with _swapping(f"{FOLDER}/place", candidates):
            _enter_often(guest, variable, f"{FOLDER}/place/socket", good.path)
        os.symlink("good", f"{FOLDER}/place")
        assert _arrives(guest, variable, f"{FOLDER}/place/socket", good.path)


def test_a_cookie_becomes_a_link(guest: Guest) -> None:
    """Nor is a cookie for the display copied from a file that the user may not read."""
    x11 = guest.desktop.x11
    good, secret, place = f"{FOLDER}/good", f"{FOLDER}/of-root", f"{FOLDER}/place"
    x11.write_authority(good, entry(x11.number, x11.cookie))
    Path(secret).touch(0o600)
    Path(secret).write_bytes(entry(x11.number, b"cookie of root's"))
    env = {
        "XDG_RUNTIME_DIR": guest.desktop.runtime,
        "DISPLAY": f":{x11.number}",
        "XAUTHORITY": place,
    }
    candidates = [
        lambda path: os.link(good, path),
        lambda path: os.link(secret, path),
        lambda path: os.symlink(secret, path),
        lambda path: os.symlink("/etc/shadow", path),
        lambda path: os.symlink("/dev/zero", path),
        os.mkfifo,
    ]
    os.link(good, place)
    copy = guest.path(guest.variable("XAUTHORITY", env) or "")
    assert copy.read_bytes() == Path(good).read_bytes()
    with _swapping(place, candidates):
        for _ in range(ENTERS):
            copy.unlink(missing_ok=True)
            assert guest.enter("echo", "in", env=env).text == "in"
            assert not copy.exists() or copy.read_bytes() == Path(good).read_bytes()


def _enter_often(guest: Guest, variable: str, value: str, good: str) -> None:
    """Enter while the place changes, and look at what is mounted each time."""
    env = {"XDG_RUNTIME_DIR": guest.desktop.runtime}
    guest.shell("true", env)
    before = {mount.identity for mount in guest.mounts()}
    for _ in range(ENTERS):
        assert guest.enter("echo", "in", env={**env, variable: value}).text == "in"
        new = [mount for mount in guest.mounts() if mount.identity not in before]
        assert all(_is(guest, mount, good) for mount in new), new


def _arrives(guest: Guest, variable: str, value: str, good: str) -> bool:
    """Whether the good file is where the variable leads to inside, now that nothing changes."""
    env = {"XDG_RUNTIME_DIR": guest.desktop.runtime, variable: value}
    inside = guest.variable(variable, env) or ""
    return guest.shares(inside.removeprefix("unix:"), good)


def _is(guest: Guest, mount: Mount, good: str) -> bool:
    """Whether a mount is the good file, in the user's runtime directory."""
    found, wanted = guest.path(mount.point).lstat(), os.lstat(good)
    is_it = (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino)
    is_old = stat.S_ISSOCK(found.st_mode) and found.st_uid == guest.desktop.user.account.pw_uid
    return (is_it or is_old) and mount.point.startswith(f"{guest.desktop.runtime}/")


@contextmanager
def _swapping(place: str, candidates: list[Callable[[str], None]]) -> Iterator[None]:
    """Have one candidate after the other at the place, each at once instead of the one before."""
    ended = threading.Event()

    def swap() -> None:
        new = f"{place}.new"
        while not ended.is_set():
            for make in candidates:
                make(new)
                os.replace(new, place)
                with suppress(FileNotFoundError):  # the same file twice: rename(2)
                    os.unlink(new)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        Path(place).unlink(missing_ok=True)
