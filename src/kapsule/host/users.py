# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's accounts, as its name services know them."""

import grp
import os
import pwd
from dataclasses import dataclass
from functools import partial

from kapsule.errors import NotFound
from kapsule.host.name_services import ask


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

    Raises NotFound when there is no such account, Busy when the name services do not answer.
    """
    return await ask(("account", uid), partial(_look_up, uid))


async def name_of(uid: int) -> str:
    """Return the name of the account with this uid, "" when it has none."""
    try:
        return (await look_up(uid)).name
    except NotFound:
        return ""


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
