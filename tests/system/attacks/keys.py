# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks on the owner's keys in the kernel, which counts them by uid."""

from collections.abc import Callable
from pathlib import Path

from tests.system.attacks.actor import Actor
from tests.system.attacks.attack import (
    FULL,
    HOME,
    PROJECT,
    SEALED,
    attack,
    expect,
)
from tests.system.attacks.scene import Scene

_SAME_USER = dict.fromkeys((FULL, HOME), "the owner is the same user on both sides")
_LISTED = "/proc/keys lists what a uid may see, and the owner's is the same on both sides"


def _as_alice(scene: Scene, root: Actor, run: Callable[[int, int], str]) -> str:
    """Have a key of alice's on the host, and its number and its keyring's attacked."""
    host = scene.actor("")
    host("kernel.free_keys", uid=1000)
    ring = host("kernel.keyring", uid=1000)
    key = host("kernel.add_key", "of-alice", scene.secret, uid=1000)
    return run(ring, key)


@attack(
    "key-by-number",
    "Read a key of the owner's on the host, as the same uid, by its number",
    open_at=_SAME_USER,
)
def _(scene: Scene, root: Actor) -> str:
    def run(ring: int, key: int) -> str:
        text = root("kernel.read_by_keyring", ring, key, uid=1000)
        return expect(scene.secret in text, text)

    return _as_alice(scene, root, run)


@attack(
    "key-planted",
    "Put a key into the owner's keyring on the host, by its number",
    open_at=_SAME_USER,
)
def _(scene: Scene, root: Actor) -> str:
    return _as_alice(
        scene,
        root,
        lambda ring, _: expect(True, root("kernel.add_to_keyring", ring, "x", uid=1000)),
    )


@attack(
    "keys-listed",
    "See what the owner's keys on the host are called",
    open_at={**_SAME_USER, PROJECT: _LISTED, SEALED: _LISTED},
)
def _(scene: Scene, root: Actor) -> str:
    def run(ring: int, key: int) -> str:
        text = root("kernel.list_keys", uid=1000)
        return expect("of-alice" in text, text)

    return _as_alice(scene, root, run)


@attack(
    "keys-used-up",
    "Use up the keys that the owner may have on the host",
    open_at=_SAME_USER,
)
def _(scene: Scene, root: Actor) -> str:
    most = int(Path("/proc/sys/kernel/keys/maxkeys").read_text())
    used = root("kernel.fill_keyring", 2 * most, uid=1000)
    return expect(used < 2 * most, f"{used} of {most} keys")
