# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks on the host's services that listen at sockets with a file."""

import subprocess
from pathlib import Path

from tests.system.attacks.actor import INSIDE, Actor
from tests.system.attacks.attack import FULL, HOME, PROJECT, Refused, attack, expect
from tests.system.attacks.listeners import GREETING, RUNTIME, SESSION, X11
from tests.system.attacks.scene import Scene
from tests.system.attacks.shared_folders import PRIVILEGED

HOST_FILES = {FULL: "the host's file system is in it, on purpose"}
_DESKTOP = "the desktop is shared, on purpose"


def _prefix(root: Actor) -> str:
    return "" if root.is_host else "/.kapsule/host"


def _any(root: Actor, call: str, paths: list[str], *words: str) -> str:
    reasons = []
    for path in paths:
        try:
            return str(root(call, path, *words))
        except Refused as refusal:
            reasons.append(str(refusal))
    raise Refused("; ".join(dict.fromkeys(reasons)))


@attack("incus", "Give orders to Incus", open_at=HOST_FILES)
def _(scene: Scene, root: Actor) -> str:
    socket = "/var/lib/incus/unix.socket"
    text = _any(root, "files.ask_http", [_prefix(root) + socket, socket], "/1.0/instances")
    return expect("attacked-" in text or '"status_code":200' in text, text)


@attack(
    "guest-api",
    "Ask Incus about the container, and change it, from inside",
    open_at={
        FULL: "Incus's guest API is on, as it is by default",
        HOME: "Incus's guest API is on, as it is by default",
    },
)
def _(scene: Scene, root: Actor) -> str:
    text = _any(root, "files.ask_http", ["/dev/incus/sock", "/dev/lxd/sock"], "/1.0")
    return expect("api_version" in text, text)


@attack("system-bus", "Reach the host's system bus, and with it the daemon", open_at=HOST_FILES)
def _(scene: Scene, root: Actor) -> str:
    path = "/run/dbus/system_bus_socket"
    host = Path(path).stat()
    seen = root("files.identity", _prefix(root) + path)
    return expect(seen == [host.st_dev, host.st_ino], seen)


@attack("session-helper", "Give orders to the session helper", open_at=HOST_FILES)
def _(scene: Scene, root: Actor) -> str:
    path = "/run/kapsule/session.socket"
    host = Path(path).stat()
    seen = root("files.identity", _prefix(root) + path)
    return expect(seen == [host.st_dev, host.st_ino], seen)


def _desktop(name: str, what: str, open_at: dict[str, str]) -> None:
    path = str(X11 if name == "x11" else RUNTIME / name)

    @attack(f"desktop-{name}", f"Reach {what} of the owner's desktop", open_at=open_at)
    def _(scene: Scene, root: Actor) -> str:
        if root.is_host:
            text = root("files.connect_path", path)
            return expect(text == GREETING, text)
        program = f"from inside import files; print(files.connect_path({path!r}))"
        command = ("enter", root.name, "--", f"{INSIDE}/run", "-S", "-B", "-c", program)
        result = scene.alice.kapsule(*command, env=SESSION)
        if result.code:
            raise Refused((result.error.strip() or "?").splitlines()[-1])
        return expect(result.text == GREETING, result.text)


_SHARED = {FULL: _DESKTOP, HOME: _DESKTOP}
_desktop("bus", "the session bus", _SHARED)
_desktop("wayland-0", "the compositor", {**_SHARED, PROJECT: _DESKTOP})
_desktop("x11", "the X11 display", _SHARED)
_desktop("pipewire-0", "the sound server", _SHARED)


def _owners_after_entering(scene: Scene, root: Actor, place: str) -> dict[str, int]:
    """Return the owners of what is new in the shared folder when it lies at a place in the guest.

    The folder is the owner's: what is root's in it, the session helper has made.
    """
    if root.is_host:
        Path(scene.shared, "of-root").touch()
    else:
        root("session.mount_over", scene.shared, place, private=False)
        try:
            for _ in range(2):
                scene.alice.kapsule("enter", root.name, "--", "true", env=SESSION)
        finally:
            root("mounts.take_away", place, private=False)
    owners = {path.name: path.lstat().st_uid for path in Path(scene.shared).rglob("*")}
    subprocess.run(["find", scene.shared, "-mindepth", "1", "-delete"], check=True)
    return owners


def _target(name: str, place: str, open_at: dict[str, str]) -> None:
    @attack(
        f"mount-target-{name}",
        f"Put a shared folder at {place}, to have the host's root make files in it",
        open_at=open_at,
    )
    def _(scene: Scene, root: Actor) -> str:
        owners = _owners_after_entering(scene, root, place)
        return expect(0 in owners.values(), owners)


_target("runtime", str(RUNTIME), {})
_target("x11", "/tmp", PRIVILEGED)


@attack(
    "mount-target-link",
    "Put a symbolic link where a socket goes, to have the host's root mount over its target",
)
def _(scene: Scene, root: Actor) -> str:
    """What is mounted in the guest is a matter of the guest; the host's files must stay."""
    book = Path(scene.shared, "book")
    book.write_text("as it was")
    if root.is_host:
        book.write_text("changed")
    else:
        root("session.link_targets", str(RUNTIME), str(book), private=False)
        try:
            scene.alice.kapsule("enter", root.name, "--", "true", env=SESSION)
        finally:
            root("session.unlink_targets", str(RUNTIME), private=False)
    text, kind = book.read_text(), book.is_mount()
    book.unlink()
    return expect(text != "as it was" or kind, text)
