# SPDX-License-Identifier: GPL-3.0-or-later
"""System calls as an attacker makes them. They raise OSError."""

import ctypes
import errno
import os
from collections.abc import Callable
from typing import Any

MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
MNT_DETACH = 2
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000

# By name: the number of x86-64 and that of the generic table, which arm64 and riscv64 have.
NUMBERS = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    "finit_module": (313, 273),
    "init_module": (175, 105),
    "io_uring_setup": (425, 425),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_open": (434, 434),
    "process_vm_readv": (310, 270),
    "reboot": (169, 142),
    "swapoff": (168, 225),
    "syslog": (103, 116),
    "userfaultfd": (323, 282),
}
_COLUMN = 0 if os.uname().machine == "x86_64" else 1
# Who is refused for who they are hears one of these; anything else is about what they asked for.
FORBIDDEN = (errno.EPERM, errno.EACCES, errno.ENOSYS)

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def check(result: int, name: str | None = None) -> int:
    """Return the result of a call, or raise its error. name: of the file it is about."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return result


def syscall(name: str, *arguments: Any) -> int:
    """Make a system call."""
    longs = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    return check(libc.syscall(ctypes.c_long(NUMBERS[name][_COLUMN]), *longs))


def allowed(call: Callable[[], object]) -> str:
    """Make a call that makes no sense; return how far it came, if it is not who asks that counts.

    Raises OSError when it is.
    """
    try:
        call()
    except OSError as error:
        if error.errno in FORBIDDEN:
            raise
        return f"allowed, and then: {error.strerror}"
    return "allowed"


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mount: mount(2)."""
    words = [word.encode() if word else None for word in (source, target, kind)]
    check(libc.mount(*words, ctypes.c_ulong(flags), data.encode() or None), target)


def unmount(target: str, flags: int = 0) -> None:
    """Unmount: umount2(2)."""
    check(libc.umount2(target.encode(), flags), target)


def unshare(kinds: int) -> None:
    """Leave namespaces: unshare(2)."""
    check(libc.unshare(kinds))


def setns(descriptor: int, kinds: int) -> None:
    """Join a namespace: setns(2)."""
    check(libc.setns(descriptor, kinds))


def private_mounts() -> None:
    """Have what this process mounts from now on be seen, and stay, nowhere else."""
    unshare(CLONE_NEWNS)
    mount("", "/", "", MS_REC | MS_PRIVATE)


def new_user_namespace() -> None:
    """Become the root of a user namespace of our own, with a mount namespace."""
    uid, gid = os.getuid(), os.getgid()
    unshare(CLONE_NEWUSER | CLONE_NEWNS)
    for file, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {uid} 1"),
        ("gid_map", f"0 {gid} 1"),
    ):
        with open(f"/proc/self/{file}", "w") as stream:
            stream.write(text)
