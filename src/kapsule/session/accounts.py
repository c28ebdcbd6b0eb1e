# SPDX-License-Identifier: GPL-3.0-or-later
"""Look accounts up in the guest's own files. Runs inside the container, as its root.

The C library's functions would load the guest's name service modules into a program of the host.
"""

import os
import stat
from typing import NamedTuple

_MAX_SIZE = 4 * 1024 * 1024


class Account(NamedTuple):
    """One line of the guest's /etc/passwd, with the groups that /etc/group names."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    groups: tuple[int, ...]


def find_account(name: str, uid: int) -> Account | None:
    """Return the account with this name and uid, or None."""
    for line in _lines("/etc/passwd"):
        fields = line.split(":")
        if len(fields) == 7 and fields[0] == name and fields[2] == str(uid):
            gid = int(fields[3]) if fields[3].isdecimal() else uid
            return Account(name, uid, gid, fields[5] or "/", fields[6], _groups(name, gid))
    return None


def root_account() -> Account:
    """Return root's account, also where the guest's files have none."""
    return find_account("root", 0) or Account("root", 0, 0, "/root", "/bin/sh", (0,))


def known_groups() -> set[int]:
    """Return the gids that the guest's /etc/group names."""
    fields = (line.split(":") for line in _lines("/etc/group"))
    return {int(each[2]) for each in fields if len(each) == 4 and each[2].isdecimal()}


def _groups(name: str, gid: int) -> tuple[int, ...]:
    groups = {gid}
    for line in _lines("/etc/group"):
        fields = line.split(":")
        if len(fields) == 4 and fields[2].isdecimal() and name in fields[3].split(","):
            groups.add(int(fields[2]))
    return tuple(sorted(groups))


def _lines(path: str) -> list[str]:
    """Read a file that the guest may have replaced by anything."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return []
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return []
        return os.fsdecode(file.read(_MAX_SIZE)).split("\n")
