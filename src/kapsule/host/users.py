# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's accounts, as its name services know them."""

import asyncio
import grp
import os
import pwd
from dataclasses import dataclass

from kapsule.errors import NotFound


@dataclass(frozen=True, slots=True)
class HostUser:
    """An account of the host.

    gid: the primary group of its passwd entry; groups: all its groups, that one included.
    home: as the passwd entry has it. group_name: of gid, or the gid in digits.
    """

    uid: int
    gid: int
    name: str
    home: str
    shell: str
    groups: tuple[int, ...]
    group_name: str


async def look_up(uid: int) -> HostUser:
    """Return the account with this uid.

    The name services may ask a server, so they are asked in a worker thread.
    Raises NotFound when there is no such account.
    """
    return await asyncio.to_thread(_look_up, uid)


def _look_up(uid: int) -> HostUser:
    try:
        entry = pwd.getpwuid(uid)
    except (KeyError, OverflowError) as error:
        raise NotFound(f"There is no account with uid {uid} on this machine") from error
    return HostUser(
        uid=entry.pw_uid,
        gid=entry.pw_gid,
        name=entry.pw_name,
        home=entry.pw_dir,
        shell=entry.pw_shell,
        groups=tuple(os.getgrouplist(entry.pw_name, entry.pw_gid)),
        group_name=_group_name(entry.pw_gid),
    )


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
