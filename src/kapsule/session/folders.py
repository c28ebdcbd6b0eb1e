# SPDX-License-Identifier: GPL-3.0-or-later
"""What directories of the host a container shows by a mount of ours. Values that travel. Pure."""

from collections.abc import Iterable
from typing import Any, NamedTuple

# What no container is shown, whatever path leads there: it is the host itself, or its kernel.
_NEVER_SHARED = frozenset({"/"})
_NEVER_SHARED_BELOW = ("/.kapsule", "/dev", "/proc", "/sys")

# File systems through which the kernel of the host speaks. In a directory that is shared they are
# left out: by a /proc of the host one could walk into its processes.
KERNEL_FILE_SYSTEMS = frozenset(
    {
        *("proc", "sysfs", "cgroup", "cgroup2", "devtmpfs", "devpts", "mqueue", "nsfs"),
        *("securityfs", "selinuxfs", "smackfs", "debugfs", "tracefs", "configfs", "bpf"),
        *("efivarfs", "pstore", "fusectl", "binfmt_misc", "binder", "rpc_pipefs", "nfsd"),
    }
)


class Folder(NamedTuple):
    """A directory of the host that a container shows.

    source: on the host, a real path. target: in the container.
    """

    source: str
    target: str
    read_only: bool = False


def may_be_shared(source: str) -> bool:
    """Whether a directory may be shown in a container. source: its real path."""
    return source not in _NEVER_SHARED and not is_below(source, _NEVER_SHARED_BELOW)


def is_below(path: str, directories: Iterable[str]) -> bool:
    """Whether path is one of the directories or lies in one."""
    return any(path == each or path.startswith(each + "/") for each in directories)


def kernel_mounts(mountinfo: Iterable[str], directory: str) -> list[str]:
    """Return what of KERNEL_FILE_SYSTEMS is mounted at a directory or below, the innermost first.

    mountinfo: the lines of /proc/PID/mountinfo: proc_pid_mountinfo(5).
    """
    found = []
    for line in mountinfo:
        before, _, after = line.partition(" - ")
        point = _decoded(before.split(" ")[4])
        if is_below(point, (directory,)) and after.split(" ")[0] in KERNEL_FILE_SYSTEMS:
            found.append(point)
    return found[::-1]


def _decoded(path: str) -> str:
    """Blanks and the like are written as octal numbers there."""
    first, *others = path.split("\\")
    return first + "".join(chr(int(each[:3], 8)) + each[3:] for each in others)


def to_wire(folders: Iterable[Folder]) -> list[list[Any]]:
    """Return the folders as JSON can carry them."""
    return [list(folder) for folder in folders]


def from_wire(wire: list[list[Any]]) -> tuple[Folder, ...]:
    """Return what `to_wire` was given."""
    return tuple(Folder(*fields) for fields in wire)
