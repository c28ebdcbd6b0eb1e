# SPDX-License-Identifier: GPL-3.0-or-later
"""System calls that Python 3.11 lacks. Raises only OSError and knows no policy.

The session helper runs this as root, so it imports next to nothing.
"""

import ctypes
import os
import signal

from kapsule.linux.result import check

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

_PR_SET_DUMPABLE = 4
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38

_SYS_CLONE3 = 435  # on all architectures
_CLONE_INTO_CGROUP = 0x200000000

_KEYCTL_JOIN_SESSION_KEYRING = 1
_CAPABILITY_VERSION_3 = 0x20080522

# The numbers of the generic table and of x86-64's own: include/uapi/asm-generic/unistd.h and
# arch/x86/entry/syscalls/syscall_64.tbl.
_SYS_KEYCTL = {"x86_64": 250}.get(os.uname().machine, 219)

_libc = ctypes.CDLL(None, use_errno=True)
_libc_with_gil = ctypes.PyDLL(None, use_errno=True)
_libc_with_gil.syscall.restype = ctypes.c_long


def setns(descriptor: int, kinds: int) -> None:
    """Join namespaces: setns(2).

    descriptor: a pidfd, whose process's namespaces are meant. kinds: CLONE_NEW* flags.
    """
    check(_libc.setns(descriptor, kinds))


def unshare(kinds: int) -> None:
    """Get copies of our own of namespaces: unshare(2). kinds: CLONE_NEW* flags."""
    check(_libc.unshare(kinds))


class _CloneArguments(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in (
            *("flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size"),
            *("tls", "set_tid", "set_tid_size", "cgroup"),
        )
    )


def fork_into(cgroup: int) -> int:
    """Fork, as os.fork() does, a child that is born in another cgroup: clone3(2).

    cgroup: a descriptor of its directory, of version 2. A process that moves there instead waits
    for an RCU grace period, some 10 ms: kernel/cgroup/cgroup.c, cgroup_threadgroup_rwsem.
    For processes with one thread. Raises OSError, with ENOSYS or EPERM where it is not to be had.
    """
    arguments = _CloneArguments(flags=_CLONE_INTO_CGROUP, exit_signal=signal.SIGCHLD, cgroup=cgroup)
    interpreter = ctypes.pythonapi
    interpreter.PyOS_BeforeFork()
    result = _libc_with_gil.syscall(_SYS_CLONE3, ctypes.byref(arguments), ctypes.sizeof(arguments))
    if result == 0:
        interpreter.PyOS_AfterFork_Child()
        return 0
    number = ctypes.get_errno()
    interpreter.PyOS_AfterFork_Parent()
    if result < 0:
        raise OSError(number, os.strerror(number))
    return int(result)


def set_dumpable(value: bool) -> None:
    """Say whether others with our uid may trace us and read our /proc: PR_SET_DUMPABLE."""
    check(_libc.prctl(_PR_SET_DUMPABLE, int(value), 0, 0, 0))


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends: PR_SET_CHILD_SUBREAPER."""
    check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def keep_from_new_privileges() -> None:
    """Let no program that is executed from now on have more rights: PR_SET_NO_NEW_PRIVS."""
    check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def limit_capabilities(allowed: int) -> None:
    """Drop every capability that is not in allowed, from all sets of this process.

    allowed: a bit mask as /proc/PID/status prints it; capabilities(7).
    """
    number = 0
    while _libc.prctl(_PR_CAPBSET_READ, number, 0, 0, 0) >= 0:
        if not allowed >> number & 1:
            check(_libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0))
        number += 1
    check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)()
    check(_libc.capget(header, sets))
    for index in range(6):
        inheritable = index % 3 == 2
        sets[index] = 0 if inheritable else sets[index] & allowed >> 32 * (index // 3) & 0xFFFFFFFF
    check(_libc.capset(header, sets))


def new_session_keyring() -> None:
    """Leave the session keyring that was inherited for a new, empty one: keyctl(2)."""
    check(_libc.syscall(_SYS_KEYCTL, _KEYCTL_JOIN_SESSION_KEYRING, None))
