# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks on the kernel that all share: its settings, its log, its keys, its privileged calls."""

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path

from tests.system.attacks.actor import Actor
from tests.system.attacks.attack import (
    FULL,
    HOME,
    PROJECT,
    SEALED,
    Absent,
    Refused,
    Run,
    attack,
    expect,
)
from tests.system.attacks.scene import Scene
from tests.system.attacks.shared_folders import PRIVILEGED

OF_THE_KERNEL = "every process may, unless the host forbids it to all"
OPEN_TO_ALL = dict.fromkeys((FULL, HOME, PROJECT, SEALED), OF_THE_KERNEL)


def _call(function: str, *arguments: object) -> Run:
    def run(scene: Scene, root: Actor) -> str:
        return expect(True, root(f"kernel.{function}", *arguments))

    return run


def _calls(*rows: tuple[str, str, str, dict[str, str], str]) -> None:
    for name, tries, function, open_at, unshown in rows:
        attack(name, tries, open_at=open_at, unshown=unshown)(_call(function))


_BUILT_IN = "not every kernel has modules"
_NOT_ALL = "not every kernel has this call"
_IN_A_BOX = "the root of a box may lack CAP_SYS_RESOURCE"

_calls(
    ("module-load", "Load a module into the kernel", "load_module", {}, _BUILT_IN),
    ("module-unload", "Unload a module of the kernel", "unload_module", {}, _BUILT_IN),
    ("kexec", "Load another kernel", "replace_kernel", {}, _NOT_ALL),
    ("swap", "Take swap space away", "stop_swapping", PRIVILEGED, ""),
    ("accounting", "Have the host's processes accounted", "account", PRIVILEGED, ""),
    ("clock", "Set the host's clock", "set_clock", {}, ""),
    ("bpf", "Load a program into the kernel", "load_program", PRIVILEGED, ""),
    ("perf", "Watch all that a processor does", "watch_processor", PRIVILEGED, ""),
    ("userfaultfd", "Hold up the kernel at its page faults", "hold_up_kernel", PRIVILEGED, ""),
    ("io-uring", "Set up io_uring", "make_ring", OPEN_TO_ALL, ""),
    ("real-time", "Take real-time priority", "go_first", PRIVILEGED, ""),
    (
        "priority",
        "Take a higher priority than the host's processes",
        "be_less_nice",
        PRIVILEGED,
        "",
    ),
    (
        "oom-score",
        "Have the host's processes killed first",
        "survive_others",
        PRIVILEGED,
        _IN_A_BOX,
    ),
    ("limits", "Raise a hard limit", "raise_limit", PRIVILEGED, _IN_A_BOX),
    ("machine-ports", "Take the machine's input and output ports", "open_ports", {}, _NOT_ALL),
    ("kernel-log", "Read the kernel's log", "kernel_log", PRIVILEGED, ""),
)


def _restarts(scene: Scene, root: Actor) -> str:
    """Reboot from inside; return what came of it for the container."""
    before = scene.init(root.level)
    with contextlib.suppress(Refused):
        root("kernel.reboot")
    scene.wait_for_restart(root.level, before)
    return "the container was restarted"


@attack(
    "reboot",
    "Reboot the machine",
    control=lambda scene, _: _restarts(scene, scene.actor(SEALED)),
)
def _(scene: Scene, root: Actor) -> str:
    up = Path("/proc/sys/kernel/random/boot_id").read_text()
    what = _restarts(scene, root)
    return expect(Path("/proc/sys/kernel/random/boot_id").read_text() != up, f"only {what}")


@attack("kernel-addresses", "See where the kernel is in memory", open_at=PRIVILEGED)
def _(scene: Scene, root: Actor) -> str:
    count = root("kernel.kernel_addresses")
    return expect(count, f"{count} addresses")


@attack("host-name", "Set the host's name")
def _(scene: Scene, root: Actor) -> str:
    before = Path("/proc/sys/kernel/hostname").read_text().strip()
    inside = root("files.read", "/proc/sys/kernel/hostname").strip()
    try:
        root("kernel.rename_host", "attacked")
        now = Path("/proc/sys/kernel/hostname").read_text().strip()
        return expect(now != before, f"the host is {now}")
    finally:
        root("kernel.rename_host", inside)


# --- files of the kernel


def _file(name: str, tries: str, path: str, open_at: dict[str, str], *, writes: bool) -> None:
    @attack(name, tries, open_at=open_at)
    def _(scene: Scene, root: Actor) -> str:
        if not Path(path).exists():
            raise Absent(f"there is no {path}")
        call = "files.opens_for_writing" if writes else "files.read"
        return expect(True, root(call, path))


_file("sysrq", "Have the kernel do what a magic key does", "/proc/sysrq-trigger", {}, writes=True)
_file("kernel-memory", "Read the machine's memory", "/proc/kcore", {}, writes=False)
_file("kmsg", "Read the kernel's messages", "/dev/kmsg", {}, writes=False)
_file("uevent-helper", "Set what the kernel runs", "/sys/kernel/uevent_helper", {}, writes=True)
_file("module-helper", "Set what loads modules", "/proc/sys/kernel/modprobe", {}, writes=True)

# Not kernel/pid_max: since Linux 6.14 each namespace has its own.
_PROC_FILES = ("sys/kernel/core_pattern", "sys/vm/swappiness", "sys/kernel/threads-max")
_SYS_FILES = ("kernel/profiling", "kernel/mm/transparent_hugepage/enabled", "kernel/mm/ksm/run")


@attack("core-pattern", "Set what the host runs when a program crashes")
def _(scene: Scene, root: Actor) -> str:
    path = "/run/whole/proc/sys" if root.is_host else "/proc/sys"
    return expect(True, root("files.write_back", f"{path}/kernel/core_pattern"))


@attack(
    "sysctls-remounted",
    "Make /proc/sys writable, and set what is the whole kernel's",
    open_at=PRIVILEGED,
)
def _(scene: Scene, root: Actor) -> str:
    names = [name.removeprefix("sys/") for name in _PROC_FILES]
    return expect(True, root("mounts.make_writable", "/proc/sys", names))


@attack("fresh-proc", "Mount /proc anew, and set what is the whole kernel's", open_at=PRIVILEGED)
def _(scene: Scene, root: Actor) -> str:
    return expect(True, root("mounts.fresh_and_write", "proc", list(_PROC_FILES)))


@attack("fresh-sys", "Mount /sys anew, and set what is the whole kernel's", open_at=PRIVILEGED)
def _(scene: Scene, root: Actor) -> str:
    return expect(True, root("mounts.fresh_and_write", "sysfs", list(_SYS_FILES)))


@attack(
    "sys-remounted", "Make /sys writable, and set what is the whole kernel's", open_at=PRIVILEGED
)
def _(scene: Scene, root: Actor) -> str:
    folder = "/run/whole/sys" if root.is_host else "/sys"
    return expect(True, root("mounts.make_writable", folder, list(_SYS_FILES)))


# What each namespace has its own of: Documentation/admin-guide/sysctl, ipc/ipc_sysctl.c,
# ipc/mq_sysctl.c, kernel/ucount.c.
_OWN_SETTINGS = [
    *("/proc/sys/net/", "/proc/sys/user/", "/proc/sys/fs/mqueue/"),
    *("/proc/sys/kernel/hostname", "/proc/sys/kernel/domainname", "/proc/sys/kernel/ns_last_pid"),
    *("/proc/sys/kernel/shm", "/proc/sys/kernel/msg", "/proc/sys/kernel/sem"),
    *("/proc/sys/kernel/auto_msgmni", "/proc/sys/kernel/pid_max"),
]


@attack("sysctls", "Open a setting of the whole kernel for writing")
def _(scene: Scene, root: Actor) -> str:
    folder = "/run/whole/proc/sys" if root.is_host else "/proc/sys"
    found = root("files.unlock_sysctls", folder, _OWN_SETTINGS)
    return expect(found, found)


@attack(
    "sys-files",
    "Open a file of /sys/kernel, /sys/module or of a device for writing",
    open_at=PRIVILEGED,
)
def _(scene: Scene, root: Actor) -> str:
    base = "/run/whole/sys" if root.is_host else "/sys"
    found: list[str] = []
    for part in ("kernel", "module", "power", "firmware", "devices/system", "bus"):
        found += root("files.unlock_sysctls", f"{base}/{part}", [])
    return expect(found, found)


@attack(
    "kernel-file-systems",
    "Mount file systems in which the kernel shows itself",
    open_at=PRIVILEGED,
)
def _(scene: Scene, root: Actor) -> str:
    kinds = ["debugfs", "tracefs", "securityfs", "configfs", "pstore", "bpf", "efivarfs"]
    found = root("mounts.mounts_of", kinds, [""] * len(kinds))
    return expect({"debugfs", "tracefs", "securityfs", "configfs", "pstore"} & {*found}, found)


@attack(
    "binary-formats",
    "Have the host run programs by an interpreter of the container's",
    open_at=PRIVILEGED,
)
def _(scene: Scene, root: Actor) -> str:
    """Since Linux 6.7 a user namespace has formats of its own; before, it has none."""
    if "binfmt_misc" not in Path("/proc/filesystems").read_text():
        raise Absent("this kernel has no binfmt_misc")
    with tempfile.TemporaryDirectory() as place:
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", place], check=True)
        try:
            root("mounts.register_format", "kapsule-attack")
            formats = os.listdir(place)
        finally:
            with contextlib.suppress(Refused):
                root("mounts.unregister_format", "kapsule-attack")
            subprocess.run(["umount", place], check=True)
    return expect("kapsule-attack" in formats, formats)
