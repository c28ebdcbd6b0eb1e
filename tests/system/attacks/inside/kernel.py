# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel itself, which all share. Nothing here changes anything, even where it is allowed."""

import ctypes
import errno
import os
import resource
import socket
import struct
import time
from pathlib import Path

from . import calls

BPF_PROG_LOAD = 5
KEYCTL_GET_KEYRING_ID, KEYCTL_JOIN, KEYCTL_CLEAR, KEYCTL_LINK, KEYCTL_READ = 0, 1, 7, 8, 11
SESSION_KEYRING, USER_KEYRING = -3, -4


def kernel_log() -> int:
    """Read the kernel's log: syslog(2), SYSLOG_ACTION_READ_ALL."""
    buffer = ctypes.create_string_buffer(4096)
    return calls.syscall("syslog", 3, buffer, 4096)


def kernel_addresses() -> int:
    """Return how many of the kernel's symbols show their address."""
    lines = Path("/proc/kallsyms").read_text().splitlines()[:200]
    return sum(int(line.split()[0], 16) != 0 for line in lines)


def load_module() -> str:
    """Load a module into the kernel: init_module(2) and finit_module(2)."""
    calls.allowed(lambda: calls.syscall("finit_module", -1, b"", 0))
    return calls.allowed(lambda: calls.syscall("init_module", None, 0, b""))


def unload_module() -> str:
    """Unload one: delete_module(2)."""
    return calls.allowed(lambda: calls.syscall("delete_module", b"kapsule_attack", 0))


def replace_kernel() -> str:
    """Load another kernel: kexec_load(2)."""
    return calls.allowed(lambda: calls.syscall("kexec_load", 0, 0, None, 1 << 40))


def reboot() -> None:
    """Reboot: reboot(2), LINUX_REBOOT_CMD_RESTART."""
    calls.syscall("reboot", 0xFEE1DEAD, 672274793, 0x01234567, None)


def stop_swapping() -> str:
    """Take swap space away: swapoff(2)."""
    return calls.allowed(lambda: calls.syscall("swapoff", b"/nowhere"))


def account() -> str:
    """Have all processes accounted: acct(2)."""
    return calls.allowed(lambda: calls.syscall("acct", b"/nowhere"))


def set_clock() -> str:
    """Set the clock, to what it says: clock_settime(2)."""
    now = time.time_ns()
    spec = struct.pack("qq", now // 10**9, now % 10**9)
    calls.syscall("clock_settime", time.CLOCK_REALTIME, spec)
    return "set"


def load_program() -> str:
    """Load a program into the kernel: bpf(2). It returns 0, and is of the simplest kind."""
    code = struct.pack("<BBhi", 0xB7, 0, 0, 0) + struct.pack("<BBhi", 0x95, 0, 0, 0)
    instructions = ctypes.create_string_buffer(code)
    licence = ctypes.create_string_buffer(b"GPL")
    attributes = struct.pack(
        "IIQQ", 1, 2, ctypes.addressof(instructions), ctypes.addressof(licence)
    ).ljust(120, b"\0")
    return calls.allowed(lambda: calls.syscall("bpf", BPF_PROG_LOAD, attributes, len(attributes)))


def watch_processor() -> str:
    """Watch what all do on a processor: perf_event_open(2)."""
    attributes = struct.pack("IIQ", 1, 112, 0).ljust(112, b"\0")
    return calls.allowed(lambda: calls.syscall("perf_event_open", attributes, -1, 0, -1, 0))


def hold_up_kernel() -> str:
    """Hold up the kernel at page faults of its own: userfaultfd(2)."""
    return calls.allowed(lambda: calls.syscall("userfaultfd", 0))


def make_ring() -> str:
    """Set up io_uring: io_uring_setup(2)."""
    parameters = ctypes.create_string_buffer(120)
    return calls.allowed(lambda: calls.syscall("io_uring_setup", 2, parameters))


def go_first() -> str:
    """Take real-time priority: sched_setscheduler(2)."""
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    return "real-time"


def be_less_nice() -> int:
    """Take a higher priority: setpriority(2)."""
    os.setpriority(os.PRIO_PROCESS, 0, -10)
    return os.getpriority(os.PRIO_PROCESS, 0)


def raise_limit() -> str:
    """Raise a hard limit: setrlimit(2)."""
    hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]
    if hard == resource.RLIM_INFINITY:
        raise OSError(errno.EPERM, "there is no limit")
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (hard, hard + 4096))
    except ValueError as error:  # what Python makes of EPERM
        raise OSError(errno.EPERM, str(error)) from error
    return f"{hard} + 4096"


def survive_others() -> str:
    """Have others killed first when memory runs out: proc(5), oom_score_adj."""
    before = int(Path("/proc/self/oom_score_adj").read_text())
    Path("/proc/self/oom_score_adj").write_text(str(max(-1000, before - 100)))
    return f"{before} - 100"


def open_ports() -> str:
    """Take the machine's ports: iopl(2), by its number on x86-64."""
    return calls.allowed(lambda: calls.check(calls.libc.iopl(3)))


def rename_host(name: str) -> str:
    """Set the host name."""
    socket.sethostname(name)
    return socket.gethostname()


def add_key(name: str, secret: str) -> int:
    """Keep a secret in the user's keyring; return its number: add_key(2)."""
    content = secret.encode()
    return calls.syscall("add_key", b"user", name.encode(), content, len(content), USER_KEYRING)


def keyring() -> int:
    """Return the number of the user's keyring."""
    return calls.syscall("keyctl", KEYCTL_GET_KEYRING_ID, USER_KEYRING, 1)


def read_key(key: int) -> str:
    """Read a key of which only the number is known."""
    buffer = ctypes.create_string_buffer(256)
    size = calls.syscall("keyctl", KEYCTL_READ, key, buffer, 256)
    return buffer.raw[:size].decode(errors="replace")


def read_by_keyring(ring: int, key: int) -> str:
    """Take a keyring of which only the number is known for our own, and read a key in it."""
    calls.syscall("keyctl", KEYCTL_JOIN, None)
    calls.syscall("keyctl", KEYCTL_LINK, ring, SESSION_KEYRING)
    return read_key(key)


def list_keys() -> str:
    """Return what the kernel says of all keys."""
    return Path("/proc/keys").read_text()


def add_to_keyring(ring: int, name: str) -> int:
    """Put a key into a keyring of which only the number is known."""
    return calls.syscall("add_key", b"user", name.encode(), b"planted", 7, ring)


def free_keys() -> None:
    """Let go of all keys in the user's keyring."""
    calls.syscall("keyctl", KEYCTL_CLEAR, USER_KEYRING)


def fill_keyring(limit: int) -> int:
    """Use up what keys a user may have; return how many it took, and free them again."""
    count = 0
    try:
        calls.syscall("keyctl", KEYCTL_JOIN, None)
        while count < limit:
            calls.syscall("add_key", b"user", f"a{count}".encode(), b"x", 1, SESSION_KEYRING)
            count += 1
    except OSError as error:
        if error.errno != errno.EDQUOT:
            raise
    return count
