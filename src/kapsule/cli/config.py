# SPDX-License-Identifier: GPL-3.0-or-later
"""`kapsule config`: the settings that hold for the caller."""

import argparse

from kapsule.cli import output
from kapsule.cli.parser import Subparsers
from kapsule.client.bus import Bus
from kapsule.errors import NotFound


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "config",
        help="show your settings",
        description="Show the settings that hold for you, from kapsule.conf.",
    )
    parser.add_argument("key", metavar="KEY", nargs="?", help="print the value of this one only")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print all settings, or the value of one."""
    with Bus() as bus:
        config = bus.get_config()
    if arguments.key is not None and arguments.key not in config:
        raise NotFound(
            f"There is no setting {arguments.key!r}", hint="There are: " + ", ".join(config)
        )
    wanted = config if arguments.key is None else config[arguments.key]
    if arguments.json:
        output.json_result(wanted)
    elif isinstance(wanted, str):
        output.result(wanted)
    else:
        for key, value in wanted.items():
            output.result(f"{key}: {value}")
    return 0
