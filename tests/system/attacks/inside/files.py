# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading what is not shared, and planting what the host would stumble over."""

import contextlib
import ctypes
import os
import socket
import stat
import struct
from pathlib import Path

from . import calls

FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, IMMUTABLE = 0x80086601, 0x40086602, 0x10
FIFREEZE, FITHAW = 0xC0045877, 0xC0045878
FAN_CLASS_NOTIF, FAN_MARK_ADD, FAN_MARK_FILESYSTEM, FAN_OPEN = 0, 1, 0x100, 0x20
# include/linux/capability.h: vfs_cap_data, version 2 with the effective bit, and two capabilities:
# to read every file, and to trace every process.
CAPABILITIES = struct.pack("<IIIII", 0x02000001, 1 << 1 | 1 << 19, 0, 0, 0)


def read(path: str) -> str:
    """Return a file's text."""
    with open(path, errors="replace") as file:
        return file.read(4096)


def write(path: str, text: str) -> None:
    """Write a file that is there."""
    with open(path, "r+") as file:
        file.write(text)


def write_back(path: str) -> str:
    """Write into a file what is in it; return that."""
    text = read(path)
    with open(path, "w") as file:
        file.write(text)
    return text


def opens_for_writing(path: str) -> bool:
    """Open a file for writing, and leave it as it is."""
    os.close(os.open(path, os.O_WRONLY))
    return True


def read_by_link(link: str, target: str) -> str:
    """Plant a symbolic link, and read by way of it."""
    os.symlink(target, link)
    try:
        return read(link)
    finally:
        os.unlink(link)


def plant_link(link: str, target: str) -> None:
    """Plant a symbolic link, and leave it."""
    os.symlink(target, link)


def read_by_processes(path: str, leaf: str) -> list[str]:
    """Read a file by the roots, working directories and descriptors of all processes.

    path: absolute. leaf: the same file, relative to where a process may stand.
    """
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        ways = [f"/proc/{pid}/root{path}", f"/proc/{pid}/cwd/{leaf}"]
        with contextlib.suppress(OSError):
            ways += [f"/proc/{pid}/fd/{number}" for number in os.listdir(f"/proc/{pid}/fd")]
        for way in ways:
            try:
                if stat.S_ISREG(os.stat(way).st_mode):
                    found.append(f"{way} -> {os.readlink(way)}: {read(way)}")
            except OSError:
                continue
    return found


def open_by_handle(mount: str, kind: int, handle: str) -> str:
    """Read a file by its handle, which names it without any path: open_by_handle_at(2)."""
    content = bytes.fromhex(handle)
    buffer = ctypes.create_string_buffer(struct.pack("Ii", len(content), kind) + content)
    directory = os.open(mount, os.O_RDONLY)
    descriptor = calls.syscall("open_by_handle_at", directory, buffer, os.O_RDONLY)
    return os.read(descriptor, 4096).decode()


def handle_of(path: str) -> tuple[int, str]:
    """Return kind and content of a file's handle: name_to_handle_at(2)."""
    buffer = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128))
    mount = ctypes.c_int()
    calls.syscall("name_to_handle_at", -100, path.encode(), buffer, ctypes.byref(mount), 0)
    size, kind = struct.unpack_from("Ii", buffer.raw)
    return kind, buffer.raw[8 : 8 + size].hex()


def escape_by_chroot(inside: str, path: str) -> str:
    """Leave a root directory by a working directory outside of another one, and read a file."""
    outside = os.open("/", os.O_RDONLY)
    os.chroot(inside)
    os.fchdir(outside)
    for _ in range(100):
        os.chdir("..")
    os.chroot(".")
    return read(path)


def plant_setuid(path: str, uid: int) -> None:
    """Leave a program that runs as its owner."""
    _copy("/bin/cat", path)
    os.chown(path, uid, uid)
    os.chmod(path, 0o6755)


def plant_capable(path: str) -> None:
    """Leave a program with capabilities: capabilities(7), "File capabilities"."""
    _copy("/bin/cat", path)
    os.chmod(path, 0o755)
    os.setxattr(path, "security.capability", CAPABILITIES)


def _copy(source: str, target: str) -> None:
    Path(target).write_bytes(Path(source).read_bytes())


def make_node(path: str, kind: str, major: int, minor: int) -> None:
    """Make a device node."""
    which = stat.S_IFBLK if kind == "block" else stat.S_IFCHR
    os.mknod(path, which | 0o666, os.makedev(major, minor))


def read_node(path: str, kind: str, major: int, minor: int) -> int:
    """Make a device node, read from it, and take it away; return how much was read."""
    make_node(path, kind, major, minor)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        return len(os.read(descriptor, 512))
    finally:
        os.unlink(path)


def set_attribute(path: str, name: str) -> None:
    """Set an extended attribute."""
    os.setxattr(path, name, b"planted")


def grant(path: str, uid: int) -> None:
    """Give a user access to a file by a list: acl(5), include/uapi/linux/posix_acl_xattr.h."""
    entries = [(1, 6, -1), (2, 7, uid), (4, 0, -1), (0x10, 7, -1), (0x20, 0, -1)]
    value = struct.pack("<I", 2)
    value += b"".join(struct.pack("<HHi", tag, rights, who) for tag, rights, who in entries)
    os.setxattr(path, "system.posix_acl_access", value)


def give_away(path: str, uid: int) -> None:
    """Make a file somebody else's."""
    Path(path).touch()
    os.chown(path, uid, uid)


def make_immutable(path: str) -> None:
    """Make a file that not even root can remove."""
    Path(path).touch()
    set_flags(path, IMMUTABLE)


def set_flags(path: str, wanted: int) -> None:
    """Have a file be immutable or not: ioctl_iflags(2)."""
    descriptor = os.open(path, os.O_RDONLY)
    flags = ctypes.c_long()
    calls.check(calls.libc.ioctl(descriptor, ctypes.c_ulong(FS_IOC_GETFLAGS), ctypes.byref(flags)))
    flags = ctypes.c_long(flags.value & ~IMMUTABLE | wanted)
    calls.check(calls.libc.ioctl(descriptor, ctypes.c_ulong(FS_IOC_SETFLAGS), ctypes.byref(flags)))
    os.close(descriptor)


def freeze(path: str) -> None:
    """Freeze the file system, and thaw it at once: ioctl_fifreeze, fs/ioctl.c."""
    descriptor = os.open(path, os.O_RDONLY)
    ioctl = calls.libc.ioctl
    calls.allowed(lambda: calls.check(ioctl(descriptor, ctypes.c_ulong(FIFREEZE), 0)))
    calls.allowed(lambda: calls.check(ioctl(descriptor, ctypes.c_ulong(FITHAW), 0)))


def watch_file_system(path: str) -> bool:
    """Be told of whatever anybody opens in a whole file system: fanotify_mark(2)."""
    group = calls.syscall("fanotify_init", FAN_CLASS_NOTIF, os.O_RDONLY)
    flags = FAN_MARK_ADD | FAN_MARK_FILESYSTEM
    calls.syscall("fanotify_mark", group, flags, FAN_OPEN, -100, path.encode())
    return True


def unlock_sysctls(folder: str, own: list[str]) -> list[str]:
    """Return the files below a folder that open for writing, but those that begin like our own."""
    found = []
    for directory, _, files in os.walk(folder):
        for file in files:
            path = os.path.join(directory, file)
            if path.startswith(tuple(own)):
                continue
            try:
                mode = os.lstat(path).st_mode
                if stat.S_ISREG(mode) and opens_for_writing(path):
                    found.append(path)
            except OSError:
                continue
    return found


def connect_path(path: str) -> str:
    """Connect to a socket in the file system, and return what it says first."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(3)
        connection.connect(path)
        return connection.recv(100).decode()


def ask_http(path: str, request: str) -> str:
    """Ask what speaks HTTP at a socket in the file system."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(3)
        connection.connect(path)
        connection.sendall(f"GET {request} HTTP/1.0\r\nHost: incus\r\n\r\n".encode())
        return connection.recv(400).decode()


def remove(path: str) -> None:
    """Remove a file, where there is one."""
    Path(path).unlink(missing_ok=True)


def identity(path: str) -> list[int]:
    """Return device and inode of a file."""
    status = os.stat(path)
    return [status.st_dev, status.st_ino]
