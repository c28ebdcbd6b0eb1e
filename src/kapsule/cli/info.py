# SPDX-License-Identifier: GPL-3.0-or-later
"""`kapsule info`: all about one container."""

import argparse
import json
import pwd
from collections.abc import Iterator

from kapsule.cli import output
from kapsule.cli.parser import Subparsers
from kapsule.client.bus import Bus


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "info",
        help="show all about a container",
        description="Show state, owner, options and devices of a container.",
    )
    parser.add_argument("name", metavar="CONTAINER", help="the container")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what the daemon knows."""
    with Bus() as bus:
        description: dict[str, object] = json.loads(bus.describe(arguments.name))
    if arguments.json:
        output.json_result(description)
        return 0
    owner = description.get("owner")
    if isinstance(owner, int):
        description["owner"] = _account(owner)
    for line in _lines(description):
        output.result(line)
    return 0


def _lines(values: dict[str, object], indent: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield f"{indent}{key}:"
            yield from _lines(value, indent + "  ")
        else:
            yield f"{indent}{key}: {output.clean_line(_text(value))}"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value) or "-"
    return str(value) if value or value == 0 else "-"


def _account(uid: int) -> str:
    try:
        return f"{pwd.getpwuid(uid).pw_name} ({uid})"
    except KeyError:
        return str(uid)
