# SPDX-License-Identifier: GPL-3.0-or-later
"""Give the user's primary gid a name in the guest. Pure.

A group that has the gid already keeps its name, as "users" does for 100. A private group, which has
name and gid of an account that becomes the user's, goes with that account.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from kapsule.host.users import HostUser
from kapsule.user_setup.tables import (
    GID,
    GROUP_GID,
    NAME,
    Accounts,
    Row,
    Table,
    change_field,
    is_name,
    number,
)

_FRESH_GSHADOW = ("!", "", "")


def plan_primary_group(accounts: Accounts, user: HostUser, own: Sequence[Row]) -> Accounts:
    """Return the account files with a group that has the user's primary gid.

    own: the passwd entries that become the user's, as the guest has them.
    """
    accounts = _rename_private_group(accounts, user, own)
    if any(number(row, GROUP_GID) == user.gid for row in accounts.group):
        return accounts
    wanted = _wanted_name(user)
    existing = next((row for row in accounts.group if row[NAME] == wanted), None)
    if existing and _is_private(existing, _private_groups(user, own)):
        return replace(accounts, group=_with_gid(accounts.group, existing, user.gid))
    return _add(accounts, _free_name(accounts.group, wanted, user.gid), user.gid)


def _private_groups(user: HostUser, own: Sequence[Row]) -> set[tuple[int | None, str]]:
    """Return gid and name of groups that belong to the entries, under their name or the user's."""
    return {(number(entry, GID), name) for entry in own for name in (entry[NAME], user.name)}


def _is_private(row: Row, private: set[tuple[int | None, str]]) -> bool:
    return len(row) == 4 and (number(row, GROUP_GID), row[NAME]) in private


def _rename_private_group(accounts: Accounts, user: HostUser, own: Sequence[Row]) -> Accounts:
    """Give the private group of a renamed account the user's name, where that is free."""
    if any(row[NAME] == user.name for row in accounts.group):
        return accounts
    wanted = _private_groups(user, own)
    private = [row for row in accounts.group if _is_private(row, wanted)]
    if not private:
        return accounts
    former = min(private, key=lambda row: number(row, GROUP_GID) != user.gid)[NAME]
    return replace(
        accounts,
        group=_renamed(accounts.group, former, user.name),
        gshadow=accounts.gshadow and _renamed(accounts.gshadow, former, user.name),
    )


def _renamed(table: Table, former: str, name: str) -> Table:
    return tuple(change_field(row, NAME, name) if row[NAME] == former else row for row in table)


def _with_gid(group: Table, existing: Row, gid: int) -> Table:
    changed = change_field(existing, GROUP_GID, str(gid))
    return tuple(changed if row is existing else row for row in group)


def _wanted_name(user: HostUser) -> str:
    """Return the host's name for the gid; the user's where it has none, or none that fits."""
    has_name = user.group_name != str(user.gid) and is_name(user.group_name)
    return user.group_name if has_name else user.name


def _free_name(group: Table, wanted: str, gid: int) -> str:
    taken = {row[NAME] for row in group}
    if wanted not in taken:
        return wanted
    derived = (f"{wanted}-{gid}" + (f"-{turn}" if turn else "") for turn in count())
    return next(name for name in derived if name not in taken)


def _add(accounts: Accounts, name: str, gid: int) -> Accounts:
    return replace(
        accounts,
        group=(*accounts.group, (name, "x", str(gid), "")),
        gshadow=accounts.gshadow and (*accounts.gshadow, (name, *_FRESH_GSHADOW)),
    )
