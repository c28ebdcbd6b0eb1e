# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks by way of shared folders: on what is beside them, and on who uses them on the host."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.system.attacks.actor import Actor
from tests.system.attacks.attack import FULL, HOME, PROJECT, SEALED, attack, expect
from tests.system.attacks.inside import files as attacker
from tests.system.attacks.scene import Scene

ROOT_IS_ROOT = "its root is the host's root"
SHARED_IS_YOURS = "what is in a shared folder is the owner's, on both sides"
HOME_IS_SHARED = "the whole home is shared"
PRIVILEGED = {FULL: ROOT_IS_ROOT, HOME: ROOT_IS_ROOT}
EVERYWHERE = dict.fromkeys((FULL, HOME, PROJECT, SEALED), SHARED_IS_YOURS)


@contextlib.contextmanager
def planted(scene: Scene, name: str) -> Iterator[Path]:
    """Yield the path of a new file in the shared folder, which is gone afterwards."""
    path = Path(scene.shared, name)
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):
            attacker.set_flags(str(path), 0)
        path.unlink(missing_ok=True)


@attack(
    "dotdot",
    "Walk out of a shared folder to what lies beside it",
    open_at={FULL: HOME_IS_SHARED, HOME: HOME_IS_SHARED},
)
def _(scene: Scene, root: Actor) -> str:
    text = root("files.read", f"{scene.shared}/../private/secret")
    return expect(scene.secret in text, text)


@attack("planted-link", "Read a user's file by a symbolic link in a shared folder")
def _(scene: Scene, root: Actor) -> str:
    text = root("files.read_by_link", f"{scene.shared}/link", scene.bobs_file)
    return expect(scene.secret in text, text)


@attack("chroot-escape", "Leave the root directory the way that chroot(2) leaves open")
def _(scene: Scene, root: Actor) -> str:
    text = root("files.escape_by_chroot", scene.shared, scene.bobs_file)
    return expect(scene.secret in text, text)


@attack("file-handle", "Open a file of the shared file system by its handle, without a path")
def _(scene: Scene, root: Actor) -> str:
    handle = scene.actor("")("files.handle_of", scene.unshared_file)
    text = root("files.open_by_handle", scene.shared, *handle)
    return expect(scene.secret in text, text)


@attack(
    "host-paths",
    "Read other users' files where the host's file system is shown",
    open_at={FULL: "the host's file system is in it, on purpose"},
)
def _(scene: Scene, root: Actor) -> str:
    prefix = "" if root.is_host else "/.kapsule/host"
    text = root("files.read", prefix + scene.bobs_file)
    return expect(scene.secret in text, text)


@attack(
    "root-owned-setuid",
    "Leave a program in a shared folder that runs as root on the host",
    open_at=PRIVILEGED,
)
def _(scene: Scene, root: Actor) -> str:
    with planted(scene, "program") as path:
        root("files.plant_setuid", str(path), 0)
        ran = scene.bob.run(str(path), "/proc/self/status")
        effective = _line(ran.text, "Uid:").split()[2]
        owner = path.stat().st_uid
        return expect("0" in (effective, str(owner)), f"owner {owner}, runs as {effective}")


@attack(
    "owner-setuid",
    "Leave a program in a shared folder that runs as its owner for others on the host",
    open_at=EVERYWHERE,
)
def _(scene: Scene, root: Actor) -> str:
    with planted(scene, "program") as path:
        root("files.plant_setuid", str(path), 1000)
        effective = _line(scene.bob.run(str(path), "/proc/self/status").text, "Uid:").split()[2]
        return expect(effective == "1000", f"runs as {effective}")


def _line(text: str, word: str) -> str:
    return next((line for line in text.splitlines() if line.startswith(word)), f"{word} ? ? ?")


@attack(
    "file-capabilities",
    "Leave a program in a shared folder that has capabilities on the host",
    open_at=PRIVILEGED,
)
def _(scene: Scene, root: Actor) -> str:
    with planted(scene, "program") as path:
        root("files.plant_capable", str(path))
        line = _line(scene.bob.run(str(path), "/proc/self/status").text, "CapEff:")
        return expect(int(line.split()[1], 16), line)


@attack(
    "device-node",
    "Leave a device node in a shared folder",
    open_at=PRIVILEGED,
)
def _(scene: Scene, root: Actor) -> str:
    with planted(scene, "node") as path:
        root("files.make_node", str(path), "char", 1, 5)
        return expect(path.is_char_device(), "there is a node")


@attack(
    "overlay-whiteout",
    "Have an overlay leave a device node in a shared folder",
    open_at=PRIVILEGED,
)
def _(scene: Scene, root: Actor) -> str:
    upper = Path(scene.shared, "upper")
    try:
        root("mounts.delete_in_overlay", scene.shared)
        found = [path for path in upper.iterdir() if path.is_char_device()]
        owners = [path.stat().st_uid for path in found]
        return expect(0 in owners, f"{found} of {owners}")
    finally:
        subprocess.run(["rm", "-rf", *(f"{scene.shared}/{x}" for x in ("lower", "upper", "work"))])


@attack(
    "trusted-attributes",
    "Set an attribute in a shared folder that only the host's root may",
    open_at=PRIVILEGED,
)
def _(scene: Scene, root: Actor) -> str:
    with planted(scene, "file") as path:
        path.touch()
        root("files.set_attribute", str(path), "trusted.kapsule")
        return expect(os.listxattr(path), os.listxattr(path))


@attack(
    "security-attributes",
    "Set a label in a shared folder that the host's security modules believe",
    open_at=PRIVILEGED,
)
def _(scene: Scene, root: Actor) -> str:
    with planted(scene, "file") as path:
        path.touch()
        root("files.set_attribute", str(path), "security.kapsule")
        return expect(os.listxattr(path), os.listxattr(path))


@attack(
    "others-access-list",
    "Give another user of the host access by an access control list",
    open_at=PRIVILEGED,
)
def _(scene: Scene, root: Actor) -> str:
    with planted(scene, "file") as path:
        path.write_text(scene.secret)
        path.chmod(0o600)
        os.chown(path, 1000, 1000)
        root("files.grant", str(path), 1001)
        ran = scene.bob.run("cat", str(path))
        return expect(ran.code == 0, ran.text + ran.error)


@attack(
    "others-ownership",
    "Make a file in a shared folder another user's, who then has it on their account",
    open_at=PRIVILEGED,
)
def _(scene: Scene, root: Actor) -> str:
    with planted(scene, "file") as path:
        root("files.give_away", str(path), 1001)
        return expect(path.stat().st_uid == 1001, f"owner {path.stat().st_uid}")


@attack(
    "immutable-file",
    "Leave a file in a shared folder that its owner cannot remove",
    open_at=PRIVILEGED,
)
def _(scene: Scene, root: Actor) -> str:
    with planted(scene, "file") as path:
        root("files.make_immutable", str(path))
        ran = scene.alice.run("rm", "-f", str(path))
        return expect(ran.code != 0, ran.error)


@attack("freeze", "Freeze the file system of a shared folder", open_at=PRIVILEGED)
def _(scene: Scene, root: Actor) -> str:
    root("files.freeze", scene.shared)
    return "frozen"


@attack(
    "watch-everything",
    "Be told of what anybody opens in the file system of a shared folder",
    open_at=PRIVILEGED,
)
def _(scene: Scene, root: Actor) -> str:
    return expect(root("files.watch_file_system", scene.shared), "watching")


@attack(
    "host-follows-link",
    "Have a program of the owner's on the host follow a link that is planted in a shared folder",
    open_at=EVERYWHERE,
)
def _(scene: Scene, root: Actor) -> str:
    with planted(scene, "notes") as path:
        root("files.plant_link", str(path), scene.unshared_file)
        ran = scene.alice.run("cat", str(path))
        return expect(scene.secret in ran.text, ran.text)
