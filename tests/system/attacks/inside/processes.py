# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of the host, and what belongs to a process."""

import ctypes
import errno
import os
import signal
import time
from pathlib import Path

from . import calls

_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
PTRACE_ATTACH, PTRACE_DETACH = 16, 17


def find(secret: str) -> list[str]:
    """Return the processes that have a secret in their environment."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if secret.encode() in Path(f"/proc/{pid}/environ").read_bytes():
                found.append(pid)
        except OSError:
            continue
    return found


def commands() -> list[str]:
    """Return the command lines of all processes."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            found.append(Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return found


def kill(pid: int, number: int) -> None:
    """Send a signal."""
    os.kill(pid, number)


def trace(pid: int) -> None:
    """Trace a process: ptrace(2)."""
    calls.libc.ptrace.restype = ctypes.c_long
    calls.check(calls.libc.ptrace(PTRACE_ATTACH, pid, None, None))
    os.waitpid(pid, 0x40000000)  # __WALL
    calls.libc.ptrace(PTRACE_DETACH, pid, None, None)


def read_memory(pid: int) -> int:
    """Read a process's memory: process_vm_readv(2), at the address that its maps say is its own."""
    start = int(Path(f"/proc/{pid}/maps").read_text().split("-")[0], 16)
    buffer = ctypes.create_string_buffer(16)
    local = (ctypes.c_ulong * 2)(ctypes.addressof(buffer), 16)
    remote = (ctypes.c_ulong * 2)(start, 16)
    return calls.syscall("process_vm_readv", pid, local, 1, remote, 1, 0)


def namespaces() -> dict[str, list[str]]:
    """Return the namespaces of all processes that can be reached, by their kind."""
    found: dict[str, set[str]] = {kind: set() for kind in _NAMESPACES}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for kind in _NAMESPACES:
            try:
                found[kind].add(os.readlink(f"/proc/{pid}/ns/{kind}"))
            except OSError:
                continue
    return {kind: sorted(links) for kind, links in found.items()}


def foreign_descriptors() -> list[str]:
    """Return descriptors of all processes on mounts that the container does not have."""
    own = set()
    for pid in ("1", "self"):
        for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
            own.add(line.split()[0])
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            numbers = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for number in numbers:
            try:
                link = os.readlink(f"/proc/{pid}/fd/{number}")
                info = Path(f"/proc/{pid}/fdinfo/{number}").read_text()
                reached = os.path.isdir(f"/proc/{pid}/fd/{number}/")
            except OSError:
                continue
            mount = info.split("mnt_id:")[1].split()[0]
            if link.startswith("/") and mount not in own and reached:
                found.append(f"{pid}: {number} -> {link}")
    return found


def status(pid: str) -> str:
    """Return a process's status and its map of ids."""
    return Path(f"/proc/{pid}/status").read_text() + Path(f"/proc/{pid}/uid_map").read_text()


def signal_everybody() -> str:
    """Send a signal that most pass over to whoever it reaches."""
    os.kill(-1, signal.SIGWINCH)
    return "sent"


def catch_newcomers(seconds: float) -> tuple[int, list[str]]:
    """Look into every process that appears, while it may still be half the host's.

    Return how many did, and what of them could be opened that is not the container's own.
    """
    root = os.stat("/")
    known = {pid for pid in os.listdir("/proc") if pid.isdigit()}
    newcomers = 0
    found: set[str] = set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for pid in os.listdir("/proc"):
            if not pid.isdigit() or pid in known:
                continue
            for _ in range(40):
                found |= _look_into(pid, root)
            known.add(pid)
            newcomers += 1
    return newcomers, sorted(found)[:20]


def _look_into(pid: str, root: os.stat_result) -> set[str]:
    found = set()
    folder = f"/proc/{pid}"
    try:
        there = os.stat(f"{folder}/root/")
        if (there.st_dev, there.st_ino) != (root.st_dev, root.st_ino):
            found.add("root directory")
    except OSError:
        pass
    try:
        if os.readlink(f"{folder}/ns/mnt") != os.readlink("/proc/1/ns/mnt"):
            found.add("mount namespace")
    except OSError:
        pass
    try:
        if os.readlink(f"{folder}/cwd").startswith("(unreachable)"):
            found.add("working directory")
    except OSError:
        pass
    try:
        text = Path(f"{folder}/environ").read_bytes()
        if b"INVOCATION_ID" in text and b"JOURNAL_STREAM" in text and b"kapsule" in text:
            found.add("environment")
    except OSError:
        pass
    try:
        os.close(os.open(f"{folder}/mem", os.O_RDWR))
        # Read after that: when it is the helper still, it was so when its memory was opened.
        if b"kapsule-session" in Path(f"{folder}/cmdline").read_bytes():
            found.add("memory of the helper")
    except OSError:
        pass
    return found


def hosts_interpreter(seconds: float) -> tuple[int, list[str]]:
    """Wait for a process whose program is none of the container's, and open that for writing.

    Return how many appeared, and what could be opened of their programs. Programs of the container
    say that they are to be run by /proc/self/exe: CVE-2019-5736.
    """
    known = {pid for pid in os.listdir("/proc") if pid.isdigit()}
    found: set[str] = set()
    held: set[int] = set()
    newcomers: set[str] = set()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for pid in os.listdir("/proc"):
            if not pid.isdigit() or pid in known:
                continue
            _hold_program(pid, held)
            newcomers.add(pid)
        for descriptor in held:
            try:
                os.close(os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY))
                found.add(os.readlink(f"/proc/self/fd/{descriptor}"))
            except OSError as error:
                if error.errno == errno.ETXTBSY:  # it only runs at the moment: open(2)
                    found.add(os.readlink(f"/proc/self/fd/{descriptor}"))
    return len(newcomers), sorted(found)


def _hold_program(pid: str, held: set[int]) -> None:
    try:
        path = os.readlink(f"/proc/{pid}/exe")
        descriptor = os.open(f"/proc/{pid}/exe", os.O_RDONLY)
    except OSError:
        return
    status = os.fstat(descriptor)
    try:
        own = os.stat(path)
        is_own = (own.st_dev, own.st_ino) == (status.st_dev, status.st_ino)
    except OSError:
        is_own = False
    known = {os.fstat(each).st_ino for each in held}
    if is_own or status.st_ino in known:
        os.close(descriptor)
    else:
        held.add(descriptor)
