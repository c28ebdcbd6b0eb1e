# SPDX-License-Identifier: GPL-3.0-or-later
"""Tricks with mounts."""

import ctypes
import os
import struct
from pathlib import Path

from . import calls, files

MOUNT_ATTR_RDONLY = 1


def just_write(_: str, file: str) -> None:
    """Write to a file."""
    Path(file).write_text("changed\n")


def remount_and_write(folder: str, file: str) -> None:
    """Make a mount writable, and write."""
    calls.mount("", folder, "", calls.MS_REMOUNT | calls.MS_BIND)
    just_write(folder, file)


def set_attributes_and_write(folder: str, file: str) -> None:
    """Make a mount writable by mount_setattr(2), and write."""
    attributes = struct.pack("QQQQ", 0, MOUNT_ATTR_RDONLY, 0, 0)
    calls.syscall("mount_setattr", -100, folder.encode(), 0, attributes, len(attributes))
    just_write(folder, file)


def bind_again_and_write(folder: str, file: str) -> None:
    """Mount a folder elsewhere, writable, and write there."""
    place = _new_folder()
    calls.mount(folder, place, "", calls.MS_BIND)
    calls.mount("", place, "", calls.MS_REMOUNT | calls.MS_BIND)
    just_write(place, os.path.join(place, os.path.basename(file)))


def nest_remount_and_write(folder: str, file: str) -> None:
    """Do so as the root of a user namespace in the container."""
    calls.new_user_namespace()
    remount_and_write(folder, file)


def _new_folder() -> str:
    calls.mount("attacker", "/mnt", "tmpfs")
    return "/mnt"


def look_below(folders: list[str], file: str) -> list[str]:
    """Take mounts away, and everything else that can be, and read a file."""
    found = []
    for folder in [*folders, *reversed(_mount_points())]:
        try:
            calls.unmount(folder, calls.MNT_DETACH)
            found.append(files.read(file))
        except OSError:
            continue
    return found


def _mount_points() -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [line.split()[1] for line in lines if line.split()[1] not in ("/", "/proc")]


def mount_memory(place: str) -> None:
    """Mount a file system."""
    calls.mount("attacker", place, "tmpfs")


def take_away(place: str) -> None:
    """Unmount it."""
    calls.unmount(place, calls.MNT_DETACH)


def delete_in_overlay(folder: str) -> None:
    """Delete a file in an overlay, which then has a whiteout: overlayfs.rst."""
    for name in ("lower", "upper", "work"):
        os.mkdir(os.path.join(folder, name))
    Path(folder, "lower", "file").touch()
    options = ",".join(f"{name}dir={folder}/{name}" for name in ("lower", "upper", "work"))
    calls.mount("overlay", "/mnt", "overlay", 0, options)
    os.unlink("/mnt/file")


def mounts_of(kinds: list[str], files_inside: list[str]) -> list[str]:
    """Mount kinds of file systems; return those that could be, with something to be seen."""
    found = []
    for kind, file in zip(kinds, files_inside, strict=True):
        try:
            calls.mount(kind, "/mnt", kind)
            if os.listdir(os.path.join("/mnt", file)):
                found.append(kind)
            calls.unmount("/mnt")
        except OSError:
            continue
    return found


def mount_disk(major: int, minor: int, kinds: list[str]) -> str:
    """Make a node of the host's disk and mount it; return the kind that it had."""
    node = "/mnt/disk"
    calls.mount("attacker", "/mnt", "tmpfs")
    files.make_node(node, "block", major, minor)
    os.mkdir("/mnt/place")
    reason = OSError("no kind fits")
    for kind in kinds:
        try:
            calls.mount(node, "/mnt/place", kind, calls.MS_RDONLY)
            return kind
        except OSError as error:
            reason = error
    raise reason


def mount_image(image: str, kind: str) -> str:
    """Have a file be a disk, by a loop device, and try to mount it: loop(4)."""
    calls.mount("attacker", "/mnt", "tmpfs")
    files.make_node("/mnt/control", "char", 10, 237)
    with open("/mnt/control", "r+b", buffering=0) as control:
        number = calls.check(calls.libc.ioctl(control.fileno(), ctypes.c_ulong(0x4C82), 0))
    files.make_node("/mnt/loop", "block", 7, number)
    with open("/mnt/loop", "r+b", buffering=0) as loop, open(image, "r+b") as backing:
        ioctl = calls.libc.ioctl
        calls.check(ioctl(loop.fileno(), ctypes.c_ulong(0x4C00), backing.fileno()))
        try:
            os.mkdir("/mnt/place")
            return calls.allowed(lambda: calls.mount("/mnt/loop", "/mnt/place", kind))
        finally:
            ioctl(loop.fileno(), ctypes.c_ulong(0x4C01), 0)


def fresh_and_write(kind: str, files_to_try: list[str]) -> list[str]:
    """Mount a file system of the kernel's anew, and write back what is in files of it."""
    calls.mount(kind, "/mnt", kind)
    found = []
    reason = OSError("there is no such file")
    for file in files_to_try:
        try:
            files.write_back(os.path.join("/mnt", file))
            found.append(file)
        except OSError as error:
            reason = error
    if not found:
        raise reason
    return found


def make_writable(folder: str, files_to_try: list[str]) -> list[str]:
    """Mount a file system of the kernel's writable, and write back what is in files of it."""
    calls.mount("", folder, "", calls.MS_REMOUNT | calls.MS_BIND)
    found = []
    reason = OSError("there is no such file")
    for file in files_to_try:
        try:
            files.write_back(os.path.join(folder, file))
            found.append(file)
        except OSError as error:
            reason = error
    if not found:
        raise reason
    return found


def register_format(name: str) -> None:
    """Have programs that begin with a word run by one of ours: binfmt_misc, admin-guide."""
    calls.mount("binfmt_misc", "/mnt", "binfmt_misc")
    Path("/mnt/register").write_text(f":{name}:M::kapsule-attack::/bin/false:")


def unregister_format(name: str) -> None:
    """Take a format back."""
    calls.mount("binfmt_misc", "/mnt", "binfmt_misc")
    Path("/mnt", name).write_text("-1")
