# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks by device nodes and on disks."""

from pathlib import Path

from tests.system.attacks.actor import Actor
from tests.system.attacks.attack import Absent, attack, expect
from tests.system.attacks.scene import Scene
from tests.system.attacks.shared_folders import PRIVILEGED

# What every container has: Documentation/admin-guide/devices.txt. 136 and up are its own terminals.
_HARMLESS = {
    *("1:3", "1:5", "1:7", "1:8", "1:9"),  # null, zero, full, random, urandom
    *("5:0", "5:2"),  # tty, ptmx
    *("10:200", "10:229"),  # tun, fuse
}


_NO_DISK = "the root of a box may not read the disk either"
_NO_LOOPS = "not every kernel has loop devices"
_NO_MEMORY = "not every kernel has such a device"


def _disk() -> tuple[int, int]:
    """Return the numbers of the host's first disk."""
    for line in Path("/proc/partitions").read_text().splitlines()[2:]:
        major, minor = line.split()[:2]
        return int(major), int(minor)
    raise Absent("the host has no disk")


@attack("read-disk", "Make a node of the host's disk, and read it", unshown=_NO_DISK)
def _(scene: Scene, root: Actor) -> str:
    size = root("files.read_node", "/root/node", "block", *_disk())
    return expect(size, f"{size} bytes")


@attack("mount-disk", "Make a node of the host's disk, and mount it", unshown=_NO_DISK)
def _(scene: Scene, root: Actor) -> str:
    return str(root("mounts.mount_disk", *_disk(), ["ext4", "btrfs", "xfs", "erofs", "squashfs"]))


@attack("memory-node", "Make a node of the machine's memory, and read it", unshown=_NO_MEMORY)
def _(scene: Scene, root: Actor) -> str:
    size = root("files.read_node", "/root/node", "char", 1, 1)
    return expect(size, f"{size} bytes")


@attack("harmless-node", "Make a node of any device", open_at=PRIVILEGED)
def _(scene: Scene, root: Actor) -> str:
    size = root("files.read_node", "/root/node", "char", 1, 5)
    return expect(size, f"{size} bytes")


@attack("nodes", "Open a device of the host's that is more than every program needs")
def _(scene: Scene, root: Actor) -> str:
    found = [line for line in root("devices.nodes", "/dev") if not _is_harmless(line)]
    return expect(found, found)


def _is_harmless(line: str) -> bool:
    number = line.split()[2]
    return line.split()[1] == "char" and (number in _HARMLESS or number.startswith("136:"))


@attack("loop-device", "Have a file be a disk, by a loop device, and mount it", unshown=_NO_LOOPS)
def _(scene: Scene, root: Actor) -> str:
    return str(root("mounts.mount_image", "/etc/hostname", "ext4"))
