# SPDX-License-Identifier: GPL-3.0-or-later
"""`kapsule list`: the containers, as a table, as JSON or as bare names."""

import argparse

from kapsule.cli import output
from kapsule.cli.parser import Subparsers
from kapsule.client.bus import Bus, ContainerRow

_COLUMNS = ("NAME", "STATUS", "IMAGE", "MODE", "CREATED")
_STYLES = {"Running": "green", "Error": "red"}
_RUNNING = "Running"


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "list", aliases=["ls"], help="list containers", description="List the containers."
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("-r", "--running", action="store_true", help="only those that run")
    which.add_argument("-a", "--all", action="store_true", help="all of them (the default)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    # For shell completion.
    parser.add_argument("--names", action="store_true", help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the list."""
    with Bus() as bus:
        rows = bus.list_containers()
    if arguments.running:
        rows = [row for row in rows if row.status == _RUNNING]
    if arguments.json:
        output.json_result([row._asdict() for row in rows])
    elif arguments.names:
        for row in rows:
            output.result(row.name)
    elif rows:
        output.table(_COLUMNS, [_cells(row) for row in rows], _STYLES)
    else:
        output.say("No containers found.")
    return 0


def _cells(row: ContainerRow) -> tuple[str, ...]:
    day = row.created.partition("T")[0]
    return row.name, row.status, row.image, row.mode, day
