# SPDX-License-Identifier: GPL-3.0-or-later
"""Give the user subordinate ids in the guest, for rootless containers in it: subuid(5). Pure."""

from collections.abc import Collection

from kapsule.host.users import HostUser
from kapsule.session.guest_actions import Action
from kapsule.user_setup.guest_texts import Files, rewrite, text_of
from kapsule.user_setup.tables import NAME, Row, Table, change_field, number, parse, render

SUBORDINATE_FILES = ("/etc/subuid", "/etc/subgid")
_START, _COUNT = 1, 2
_FIRST = 100_000
_SIZE = 65_536
_END = 2**32 - 1  # the last one means "no id": credentials(7)


def plan_subordinate_ids(files: Files, user: HostUser, former: Collection[str]) -> list[Action]:
    """Return what gives the user a range in those of SUBORDINATE_FILES that exist.

    former: names of accounts that became the user's; their ranges become the user's, too.
    """
    actions: list[Action] = []
    for path in SUBORDINATE_FILES:
        text = text_of(files, path)
        if text is not None:
            actions += rewrite(files, path, render(_with_range(parse(text), user, former)))
    return actions


def _with_range(table: Table, user: HostUser, former: Collection[str]) -> Table:
    table = tuple(
        change_field(row, NAME, user.name) if row[NAME] in former else row for row in table
    )
    start = max([_FIRST, *(_end(row) for row in table)])
    if any(row[NAME] in (user.name, str(user.uid)) for row in table) or start + _SIZE > _END:
        return table
    return (*table, (user.name, str(start), str(_SIZE)))


def _end(row: Row) -> int:
    start, size = number(row, _START), number(row, _COUNT)
    return 0 if start is None or size is None else start + size
