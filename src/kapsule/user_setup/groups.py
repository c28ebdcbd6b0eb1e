# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the user a member of the guest's groups for administration and for devices. Pure."""

from dataclasses import replace

from kapsule.host.users import HostUser
from kapsule.user_setup.tables import (
    GROUP_GID,
    MEMBERS,
    NAME,
    Accounts,
    Row,
    Table,
    change_field,
    number,
)

GROUPS = ("sudo", "wheel", "video", "render", "audio")


def join_groups(accounts: Accounts, user: HostUser) -> Accounts:
    """Return the account files with the user in those of GROUPS that the guest has."""
    joined = {
        row[NAME]
        for row in accounts.group
        if row[NAME] in GROUPS and number(row, GROUP_GID) not in (None, user.gid)
    }
    return replace(
        accounts,
        group=_with_member(accounts.group, joined, user.name),
        gshadow=accounts.gshadow and _with_member(accounts.gshadow, joined, user.name),
    )


def _with_member(table: Table, joined: set[str], name: str) -> Table:
    return tuple(_join(row, name) if row[NAME] in joined else row for row in table)


def _join(row: Row, name: str) -> Row:
    members = row[MEMBERS].split(",") if len(row) == 4 and row[MEMBERS] else []
    if len(row) != 4 or name in members:
        return row
    return change_field(row, MEMBERS, ",".join([*members, name]))
