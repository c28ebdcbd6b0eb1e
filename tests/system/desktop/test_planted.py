# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's root that prepares the places where the host's sockets are going to be."""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import cycle
from pathlib import Path

import pytest

from tests.system.desktop.guest import NOTHING, Guest
from tests.system.desktop.sockets import Speaker

RUNTIME = "/run/user/1000"
SOCKET = f"{RUNTIME}/wayland-planted"
# What is planted at a socket's target, at the folder of another one, and at that of displays.
AT_THE_TARGET = {
    "link-to-a-file": f"ln -s /etc/passwd {SOCKET}",
    "link-into-the-home": f"ln -s /home/alice/planted {SOCKET}",
    "link-into-the-host": f"ln -s /.kapsule/host/etc/planted {SOCKET}",
    "link-to-a-file-of-the-host": f"ln -s /.kapsule/host/etc/passwd {SOCKET}",
    "link-to-itself": f"ln -s wayland-planted {SOCKET}",
    "magic-link": f"ln -s /proc/self/exe {SOCKET}",
    "directory": f"mkdir {SOCKET}",
    "full-directory": f"mkdir {SOCKET}; echo content > {SOCKET}/file",
    "fifo": f"mkfifo {SOCKET}",
    "device": f"mknod {SOCKET} c 1 3",
    "file": f"echo content > {SOCKET}",
    "mount": f"touch {SOCKET}; mount --bind /etc/hostname {SOCKET}",
}
AT_THE_FOLDER = {
    "link": f"ln -s /etc {RUNTIME}/pulse",
    "link-home": f"ln -s /home/alice {RUNTIME}/pulse",
    "fifo": f"mkfifo {RUNTIME}/pulse",
    "file": f"touch {RUNTIME}/pulse",
    "read-only": f"mkdir {RUNTIME}/pulse; mount -t tmpfs -o ro none {RUNTIME}/pulse",
}
AT_THE_DISPLAYS = {
    "link": "ln -s /etc /tmp/.X11-unix",
    "link-home": "ln -s /home/alice /tmp/.X11-unix",
    "fifo": "mkfifo /tmp/.X11-unix",
    "gone": "true",
}
PLANTS = dict(
    zip(
        AT_THE_TARGET, zip(cycle(AT_THE_FOLDER), cycle(AT_THE_DISPLAYS), strict=False), strict=False
    )
)
# What the guest's root does to places further up.
UPROOTINGS = {
    "tmp-is-a-link": "umount -l /tmp 2> /dev/null || true; mv /tmp /tmp-was; ln -s /etc /tmp",
    "runtime-is-a-link": f"umount -l {RUNTIME}; rmdir {RUNTIME}; ln -s /etc {RUNTIME}",
    "runtime-is-gone": f"umount -l {RUNTIME}; rmdir {RUNTIME}",
    "runtimes-are-a-link": f"umount -l {RUNTIME}; mv /run/user /run/was; ln -s /etc /run/user",
    "runtime-is-read-only": f"mount -o remount,ro {RUNTIME}",
    "runtime-is-full": f"mount -o remount,nr_inodes=$(stat -fc %c {RUNTIME}) {RUNTIME}",
}
PLACES = (f"{RUNTIME}/", RUNTIME, "/tmp/.X11-unix/X")


@pytest.fixture(scope="module")
def shared_victim(guest: Guest) -> Iterator[Guest]:
    """A container for tests that leave no trace in it but in what a reset takes away."""
    victim = Guest(f"victim-{guest.name}", guest.desktop)
    victim.create(*guest.options, image="debian")
    yield victim
    victim.delete()


@pytest.fixture
def victim(shared_victim: Guest) -> Iterator[Guest]:
    """A container whose user is logged in, where nothing of the host is mounted."""
    shared_victim.shell("true", NOTHING)
    yield shared_victim
    mounted = " ".join(mount.point for mount in reversed(shared_victim.additions()))
    shared_victim.as_root(f"umount -l {mounted}; rm -rf {RUNTIME}/wayland-planted")


@pytest.mark.parametrize("plant", PLANTS)
def test_plants(victim: Guest, plant: str) -> None:
    """The session starts, and nothing is made, changed or covered but at the targets.

    What cannot be put in place is said, and everything else is.
    """
    folder, displays = PLANTS[plant]
    victim.as_root(f"rm -rf {RUNTIME}/pulse /tmp/.X11-unix {SOCKET}; {AT_THE_TARGET[plant]}")
    victim.as_root(f"{AT_THE_FOLDER[folder]}; {AT_THE_DISPLAYS[displays]}")
    desktop = victim.desktop
    with Speaker(SOCKET, desktop.user):
        notes = _check_enters(victim)
        for path in (SOCKET, desktop.pulse.path, desktop.x11.path):
            assert victim.shares(path, path) or path in notes, notes
        for path in (desktop.bus.path, desktop.pipewire.path):
            assert victim.shares(path, path)


@pytest.mark.parametrize("uprooting", UPROOTINGS)
def test_uprootings(new_guest: Guest, uprooting: str) -> None:
    """The same where the guest's root has changed places further up."""
    new_guest.shell("true", NOTHING)
    new_guest.as_root(UPROOTINGS[uprooting])
    with Speaker(SOCKET, new_guest.desktop.user):
        _check_enters(new_guest)


def _check_enters(guest: Guest) -> str:
    """Enter twice, look for what was touched that should not be, and return what was said."""
    own = {mount.identity for mount in guest.mounts()}
    before = precious(guest)
    env = {**guest.desktop.environment, "WAYLAND_DISPLAY": "wayland-planted"}
    results = [guest.enter("echo", "in", env=env) for _ in range(2)]
    assert [result.text for result in results] == ["in", "in"], results[0].error
    new = [mount.point for mount in guest.mounts() if mount.identity not in own]
    assert all(point.startswith(PLACES) for point in new), new
    assert precious(guest) == before
    return results[0].error


def test_a_target_that_changes_all_the_time(victim: Guest) -> None:
    """The guest's root swaps links and files at the target while people enter."""
    before = precious(victim)
    ended = threading.Event()
    thread = threading.Thread(target=_swap, args=(victim.path(RUNTIME), ended))
    thread.start()
    try:
        env = {**victim.desktop.environment, "WAYLAND_DISPLAY": "wayland-planted"}
        for _ in range(10):
            with Speaker(SOCKET, victim.desktop.user):
                assert victim.enter("echo", "in", env=env).text == "in"
    finally:
        ended.set()
        thread.join()
    assert all(mount.point.startswith(PLACES) for mount in victim.additions())
    assert precious(victim) == before


def _swap(runtime: Path, ended: threading.Event) -> None:
    place, new = runtime / "wayland-planted", runtime / "new"
    while not ended.is_set():
        for target in ("/etc/passwd", "/home/alice/planted", "/.kapsule/host/etc/passwd"):
            with suppress(OSError):  # a mount is there
                new.unlink(missing_ok=True)
                new.symlink_to(target)
                new.replace(place)
                place.unlink()
                place.touch()
                place.unlink()


def precious(guest: Guest) -> list[tuple[int, int, int, str]]:
    """Return what identifies files of the host and of the guest, whatever is mounted on them."""
    found = []
    for path in ("/etc", "/etc/passwd", "/etc/shadow", "/etc/hostname", "/home/alice"):
        for place in (Path(path), guest.path(path)):
            names = sorted(os.listdir(place)) if place.is_dir() else []
            content = repr(names).encode() if names else place.read_bytes()
            status = place.stat()
            digest = hashlib.sha256(content).hexdigest()
            found.append((status.st_ino, status.st_uid, status.st_mode, digest))
    return found
