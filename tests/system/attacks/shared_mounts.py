# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks on how shared folders are mounted."""

import contextlib
from pathlib import Path

from tests.system.attacks.actor import Actor
from tests.system.attacks.attack import FULL, HOME, Refused, attack, expect
from tests.system.attacks.scene import Scene
from tests.system.attacks.shared_folders import HOME_IS_SHARED, PRIVILEGED


def _write_the_book(scene: Scene, root: Actor, call: str) -> str:
    book = Path(scene.reading, "book")
    before = book.read_text()
    try:
        root(call, scene.reading, str(book))
        return expect(book.read_text() != before, book.read_text())
    finally:
        book.write_text(before)


@attack("read-only", "Write to a folder that is shared for reading only")
def _(scene: Scene, root: Actor) -> str:
    return _write_the_book(scene, root, "mounts.just_write")


@attack(
    "read-only-remount",
    "Make a folder writable that is shared for reading only",
    open_at=PRIVILEGED,
)
def _(scene: Scene, root: Actor) -> str:
    return _write_the_book(scene, root, "mounts.remount_and_write")


@attack(
    "read-only-setattr",
    "Make such a folder writable by mount_setattr(2)",
    open_at=PRIVILEGED,
)
def _(scene: Scene, root: Actor) -> str:
    return _write_the_book(scene, root, "mounts.set_attributes_and_write")


@attack(
    "read-only-copy",
    "Make a writable copy of such a mount",
    open_at=PRIVILEGED,
)
def _(scene: Scene, root: Actor) -> str:
    return _write_the_book(scene, root, "mounts.bind_again_and_write")


@attack(
    "read-only-nested",
    "Make such a folder writable from a user namespace in the container",
    control=lambda scene, _: _write_the_book(scene, scene.actor(FULL), "mounts.remount_and_write"),
)
def _(scene: Scene, root: Actor) -> str:
    return _write_the_book(scene, root, "mounts.nest_remount_and_write")


@attack(
    "below-the-mounts",
    "Take mounts away, to see what of the host's lies below them",
    open_at={FULL: HOME_IS_SHARED, HOME: HOME_IS_SHARED},
)
def _(scene: Scene, root: Actor) -> str:
    texts = root("mounts.look_below", [scene.shared, scene.reading], scene.unshared_file)
    return expect(scene.secret in str(texts), texts)


@attack(
    "mounts-come-back",
    "Have a mount in a shared folder appear on the host",
)
def _(scene: Scene, root: Actor) -> str:
    place = Path(scene.shared, "place")
    place.mkdir(exist_ok=True)
    try:
        root("mounts.mount_memory", str(place), private=False)
        return expect(place.is_mount(), "it is mounted on the host")
    finally:
        with contextlib.suppress(Refused):
            root("mounts.take_away", str(place), private=False)
        place.rmdir()
