# SPDX-License-Identifier: GPL-3.0-or-later
"""What separates a container from the host, read off its init, and how a process crosses it.

A process that has crossed has what a process started by the container's own init has: namespaces,
cgroup, capability bounding set, security label, limits, system call filters. It keeps nothing of
the host's but the descriptors that it was given.
"""

import errno
import os
import re
import resource
import select
import signal
from typing import NamedTuple

from kapsule.linux import seccomp, syscalls
from kapsule.session import filters, proc

_NAMESPACES = {
    "user": syscalls.CLONE_NEWUSER,
    "mnt": syscalls.CLONE_NEWNS,
    "pid": syscalls.CLONE_NEWPID,
    "net": syscalls.CLONE_NEWNET,
    "uts": syscalls.CLONE_NEWUTS,
    "ipc": syscalls.CLONE_NEWIPC,
    "cgroup": syscalls.CLONE_NEWCGROUP,
}
# liblxc's attach puts processes into this leaf, because a cgroup with controllers for its children
# may hold no process itself (Documentation/admin-guide/cgroup-v2.rst, "No Internal Process").
_ATTACH_LEAF = ".lxc"
# What systemd gives to what it starts: systemd-system.conf(5), DefaultLimitNOFILE=.
_SOFT_DESCRIPTORS = 1024
# The lines of /proc/PID/limits. Asking the kernel by prlimit(2) instead takes CAP_SYS_RESOURCE.
_LIMITS = {
    "Max cpu time": resource.RLIMIT_CPU,
    "Max file size": resource.RLIMIT_FSIZE,
    "Max data size": resource.RLIMIT_DATA,
    "Max stack size": resource.RLIMIT_STACK,
    "Max core file size": resource.RLIMIT_CORE,
    "Max resident set": resource.RLIMIT_RSS,
    "Max processes": resource.RLIMIT_NPROC,
    "Max open files": resource.RLIMIT_NOFILE,
    "Max locked memory": resource.RLIMIT_MEMLOCK,
    "Max address space": resource.RLIMIT_AS,
    "Max pending signals": resource.RLIMIT_SIGPENDING,
    "Max msgqueue size": resource.RLIMIT_MSGQUEUE,
    "Max nice priority": resource.RLIMIT_NICE,
    "Max realtime priority": resource.RLIMIT_RTPRIO,
    "Max realtime timeout": resource.RLIMIT_RTTIME,
}
_PF_EXITING = 0x4  # in the field "flags" of /proc/PID/stat: include/linux/sched.h
# What stands beside the names of a hierarchy of version 1: kernel/cgroup/cgroup-v1.c.
_MOUNT_OPTION = re.compile(
    r"(rw|ro|noprefix|xattr|cpuset_v2_mode|favordynmods|clone_children|release_agent=.*)\Z"
)

_APPARMOR_MODE = re.compile(r" \([a-z]+\)\Z")  # enforce, complain and others: apparmor(7)


class Border(NamedTuple):
    """A container's border.

    namespaces: CLONE_NEW* flags of those that differ from ours. cgroup: the directory of the one
    of version 2, "" where there is none. v1_cgroups: those of version 1. capabilities: init's
    bounding set. label: a file, and what to write to it for init's security label, or None. score:
    init's oom_score_adj. limits: what each RLIMIT_* of a session shall be. filters: init's system
    call filters.
    """

    namespaces: int
    cgroup: str
    v1_cgroups: tuple[str, ...]
    capabilities: int
    label: tuple[str, str] | None
    score: str
    limits: tuple[tuple[int, tuple[int, int]], ...]
    filters: tuple[bytes, ...]


def is_alive(pidfd: int) -> bool:
    """Say whether the process that pidfd stands for still runs: pidfd_open(2).

    An init that exits waits for all that runs in its container (pid_namespaces(7)), and its pidfd
    tells of its end only after that. By then nothing can join it any more: so it counts as gone.
    """
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    if poll.poll(0):
        return False
    try:
        [pid] = proc.words(f"/proc/self/fdinfo/{pidfd}", "Pid")
        return not int(proc.read(f"/proc/{pid}/stat").rpartition(")")[2].split()[6]) & _PF_EXITING
    except (FileNotFoundError, ProcessLookupError):
        return False


def survey(init: int, pidfd: int, login: int | None = None) -> Border:
    """Read the border off the container's init, before anything of it is crossed.

    init, pidfd: the same process. login: a process of the user's login session, whose cgroup and
    limits a session shall have. Raises ProcessLookupError when one of them is gone, OSError.
    """
    try:
        border = _read_off(init, login)
    except (FileNotFoundError, ProcessLookupError) as error:  # its directory in /proc
        raise ProcessLookupError("The container, or a login in it, has ended") from error
    if not is_alive(pidfd):
        raise ProcessLookupError("The container has stopped")
    return border


def _read_off(init: int, login: int | None) -> Border:
    example = init if login is None else login
    cgroups = _cgroups(example, leaf=login is None)
    return Border(
        namespaces=_differing_namespaces(init),
        cgroup=cgroups.pop("", ""),
        v1_cgroups=tuple(cgroups.values()),
        capabilities=_bounding_set(init),
        label=_label(init),
        score=proc.read(f"/proc/{init}/oom_score_adj"),
        limits=_limits(example, is_init=login is None),
        filters=filters.of(init),
    )


def cross(border: Border, pidfd: int) -> None:
    """Take this process into the container, as its root. Called in a process that was forked after
    `join_pid_namespace`; raises OSError. A border without a cgroup leaves that as it is.
    """
    for directory in filter(None, (border.cgroup, *border.v1_cgroups)):
        with open(directory + "/cgroup.procs", "w") as file:
            file.write("0")
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write(border.score)
    label = os.open(border.label[0], os.O_WRONLY | os.O_CLOEXEC) if border.label else None
    for kind, values in border.limits:
        _set_limit(kind, values)
    reset_signals()
    # Before the guest can see us: it must not trace us, nor reach our program through /proc.
    syscalls.set_dumpable(False)
    syscalls.setns(pidfd, border.namespaces & ~syscalls.CLONE_NEWPID)
    if border.namespaces & syscalls.CLONE_NEWUSER:
        os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
    leave_keyring()  # now, so that the new one is the container's root's
    # Before the filters: init can have made some itself, by which a call only seems to succeed.
    if label is not None and border.label is not None:
        os.write(label, border.label[1].encode())
        os.close(label)
    for each in border.filters:  # while we have CAP_SYS_ADMIN, which that takes: seccomp(2)
        seccomp.install_filter(each)
    syscalls.limit_capabilities(border.capabilities)
    os.umask(0o022)


def join_pid_namespace(border: Border, pidfd: int) -> None:
    """Have the children of this process, not itself, born in the container's pid namespace."""
    if border.namespaces & syscalls.CLONE_NEWPID:
        syscalls.setns(pidfd, syscalls.CLONE_NEWPID)


def _differing_namespaces(pid: int) -> int:
    return sum(
        flag
        for kind, flag in _NAMESPACES.items()
        if os.stat(f"/proc/{pid}/ns/{kind}").st_ino != os.stat(f"/proc/self/ns/{kind}").st_ino
    )


def _cgroups(pid: int, *, leaf: bool) -> dict[str, str]:
    """Return the directories of pid's cgroups by hierarchy, "" being version 2.

    leaf: in version 2, a leaf beside init's cgroup is meant instead, and made.
    """
    mounts = _cgroup_mounts()
    directories = {}
    for line in proc.lines(f"/proc/{pid}/cgroup"):
        _, controllers, path = line.split(":", 2)
        if controllers not in mounts:
            continue
        directory = mounts[controllers] + path.rstrip("/")
        if controllers == "" and leaf:
            directory = os.path.join(directory.removesuffix("/init.scope"), _ATTACH_LEAF)
            os.makedirs(directory, exist_ok=True)
        directories[controllers] = directory
    return directories


def _cgroup_mounts() -> dict[str, str]:
    """Return the mount point of each hierarchy, by its name in /proc/PID/cgroup."""
    mounts: dict[str, str] = {}
    for line in proc.lines("/proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        point = before.split(" ")[4]
        if kind == "cgroup2":
            mounts.setdefault("", point)  # others show the same hierarchy again, or a part of it
        elif kind == "cgroup":
            names = (name for name in options.split(",") if not _MOUNT_OPTION.match(name))
            mounts.setdefault(",".join(names), point)
    return mounts


def _bounding_set(pid: int) -> int:
    return int(proc.words(f"/proc/{pid}/status", "CapBnd")[0], 16)


def _label(pid: int) -> tuple[str, str] | None:
    """Return how the next program gets pid's label: apparmor(7) and selinux(8) differ in the form.

    None where no security module labels processes, where this one is not confined, or is as we are.
    """
    for directory, prefix in (("attr/apparmor", "exec "), ("attr", "")):
        try:
            label, ours = (proc.read(f"/proc/{each}/{directory}/current") for each in (pid, "self"))
        except OSError:
            continue
        if label in ("unconfined", ours):
            return None
        return f"/proc/self/{directory}/exec", prefix + _APPARMOR_MODE.sub("", label)
    return None


def _limits(pid: int, *, is_init: bool) -> tuple[tuple[int, tuple[int, int]], ...]:
    limits = []
    for line in proc.lines(f"/proc/{pid}/limits"):
        kind = _LIMITS.get(line[:25].rstrip())
        if kind is None:
            continue
        soft, hard = (_limit_value(word) for word in line[25:].split()[:2])
        if is_init and kind == resource.RLIMIT_NOFILE:
            soft = min(soft, _SOFT_DESCRIPTORS)  # init raised its own, not that of what it starts
        if is_init and kind == resource.RLIMIT_CORE:
            soft = 0  # systemd 257 raises that as well
        limits.append((kind, (soft, hard)))
    return tuple(limits)


def _limit_value(word: str) -> int:
    return resource.RLIM_INFINITY if word == "unlimited" else int(word)


def _set_limit(kind: int, values: tuple[int, int]) -> None:
    try:
        resource.setrlimit(kind, values)
    except (ValueError, OSError):  # raising a hard limit takes CAP_SYS_RESOURCE, which we may lack
        hard = resource.getrlimit(kind)[1]
        soft = values[0] if hard == resource.RLIM_INFINITY else min(values[0], hard)
        resource.setrlimit(kind, (soft if soft >= 0 else hard, hard))


def leave_keyring() -> None:
    """Leave our session keyring. Where a filter forbids keyctl(2), nobody can use one either."""
    try:
        syscalls.new_session_keyring()
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOSYS):
            raise


def reset_signals() -> None:
    """Give every signal its default action; Python ignores SIGPIPE and SIGXFSZ."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            signal.signal(number, signal.SIG_DFL)
        except (OSError, ValueError):  # those that the C library keeps for itself
            continue
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
