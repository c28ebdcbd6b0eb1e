# SPDX-License-Identifier: GPL-3.0-or-later
"""`kapsule create`: the flags come from the option table."""

import argparse

from kapsule.cli import output
from kapsule.cli.follow import follow
from kapsule.cli.parser import Subparsers, program
from kapsule.client.bus import Bus
from kapsule.options.arguments import add_arguments, collect
from kapsule.options.schema import Schema
from kapsule.options.table import CREATE_OPTIONS


def add_parser(subparsers: Subparsers, schema: Schema = CREATE_OPTIONS) -> None:
    """Add the verb, with a flag for each option of the schema."""
    parser = subparsers.add_parser(
        "create",
        help="create a container",
        description="Create a container of your own and start it.",
        usage="%(prog)s [options] NAME",
    )
    parser.add_argument("name", metavar="NAME", help="what to call it: letters, digits, dashes")
    parser.add_argument(
        "-i",
        "--image",
        metavar="IMAGE",
        default="",
        help="what to make it from, SERVER:ALIAS (default: your default_image)",
    )
    add_arguments(parser, schema)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Create the container."""
    options = collect(arguments, CREATE_OPTIONS)
    with Bus() as bus:
        follow(
            bus,
            lambda: bus.create_container(arguments.name, arguments.image, options),
            title=f"Creating container: {arguments.name}",
            done="Container created",
        )
    output.hint(f"Enter it with `{program()} enter {arguments.name}`")
    return 0
