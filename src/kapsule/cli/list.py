# SPDX-License-Identifier: GPL-3.0-or-later
"""`kapsule list`: the containers, as a table, as JSON or as bare names."""

import argparse
from collections.abc import Sequence

from kapsule.cli import output
from kapsule.cli.parser import Subparsers
from kapsule.client.bus import Bus, ContainerRow, OwnedContainerRow

_COLUMNS = ("NAME", "STATUS", "IMAGE", "MODE", "CREATED")
_OWNER = "OWNER"
_STYLES = {"Running": "green", "Error": "red"}
_RUNNING = "Running"


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "list", aliases=["ls"], help="list containers", description="List your containers."
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("-r", "--running", action="store_true", help="only those that run")
    which.add_argument("-a", "--all", action="store_true", help="all of them (the default)")
    # Whoever may not do this unasked is asked to authenticate.
    parser.add_argument("--all-users", action="store_true", help="those of all users")
    parser.add_argument("--json", action="store_true", help="print JSON")
    # For shell completion.
    parser.add_argument("--names", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the list."""
    with Bus() as bus:
        rows: Sequence[ContainerRow | OwnedContainerRow] = (
            bus.list_all_containers() if arguments.all_users else bus.list_containers()
        )
    if arguments.running:
        rows = [row for row in rows if row.status == _RUNNING]
    if arguments.json:
        output.json_result([row._asdict() for row in rows])
    elif arguments.names:
        for row in rows:
            output.result(row.name)
    elif rows:
        columns = (*_COLUMNS, _OWNER) if arguments.all_users else _COLUMNS
        output.table(columns, [_cells(row) for row in rows], _STYLES)
    else:
        output.say("No containers found.")
    return 0


def _cells(row: ContainerRow | OwnedContainerRow) -> tuple[str, ...]:
    day = row.created.partition("T")[0]
    owner = (row.owner or str(row.uid),) if isinstance(row, OwnedContainerRow) else ()
    return row.name, row.status, row.image, row.mode, day, *owner
