# SPDX-License-Identifier: GPL-3.0-or-later
"""The account files of Unix: lines of fields between colons. Pure.

Only the lines that are meant are changed; all others come out as they went in, whatever they hold.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

Row = tuple[str, ...]
Table = tuple[Row, ...]

NAME = 0
PASSWORD = 1
UID, GID, GECOS, HOME, SHELL = 2, 3, 4, 5, 6  # passwd(5)
GROUP_GID, MEMBERS = 2, 3  # group(5); gshadow(5) has the members at the same place
_MOST_DIGITS = 10  # of an id, which has 32 bits
ADMINISTRATORS = 2  # gshadow(5)


@dataclass(frozen=True, slots=True)
class Accounts:
    """The account files of a guest. shadow and gshadow are None where it has no such file."""

    passwd: Table = ()
    group: Table = ()
    shadow: Table | None = None
    gshadow: Table | None = None


def is_name(text: str) -> bool:
    """Say whether text can name a user or a group in the account files."""
    return is_field(text) and "," not in text and text == text.strip() and text[:1] not in "-+#/"


def is_field(text: str) -> bool:
    """Say whether text can be a field of a line of the account files."""
    return not any(character in text for character in ":\n\0")


def parse(text: str) -> Table:
    """Return the fields of each line."""
    if not text:
        return ()
    return tuple(tuple(line.split(":")) for line in text.removesuffix("\n").split("\n"))


def render(table: Table) -> str:
    """Return the text of a table; each line ends with a newline."""
    return "".join(":".join(row) + "\n" for row in table)


def number(row: Row, field: int) -> int | None:
    """Return a field as a number, None where the line has none there that an id can be."""
    text = row[field] if len(row) > field else ""
    is_number = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    return int(text) if is_number else None


def substitute(table: Table, matches: Callable[[Row], bool], row: Row) -> Table:
    """Put row in the place of the lines that match; at the end when none does."""
    found = [index for index, each in enumerate(table) if matches(each)]
    if not found:
        return (*table, row)
    kept = [row if index == found[0] else each for index, each in enumerate(table)]
    surplus = set(found[1:])
    return tuple(each for index, each in enumerate(kept) if index not in surplus)


def change_field(row: Row, field: int, value: str) -> Row:
    """Return the line with another value in one field."""
    return (*row[:field], value, *row[field + 1 :])


def rename_in_lists(
    table: Table, fields: Iterable[int], former: Collection[str], name: str
) -> Table:
    """Put name in the place of former names in comma-separated lists, once each.

    fields: where the lists are in a line of four fields.
    """
    for field in fields:
        table = tuple(_rename_in_list(row, field, former, name) for row in table)
    return table


def _rename_in_list(row: Row, field: int, former: Collection[str], name: str) -> Row:
    members = row[field].split(",") if len(row) == 4 else []
    if not any(member in former for member in members):
        return row
    renamed = [name if member in former else member for member in members]
    return change_field(row, field, ",".join(dict.fromkeys(renamed)))
