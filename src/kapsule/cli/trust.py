# SPDX-License-Identifier: GPL-3.0-or-later
"""`kapsule trust`: show what crosses the border of a container, and move the border."""

import argparse
import json
import sys
import textwrap
from typing import Any

from kapsule.cli import output
from kapsule.cli.follow import follow
from kapsule.cli.parser import Subparsers
from kapsule.client.bus import Bus
from kapsule.errors import Busy
from kapsule.options.table import CREATE_OPTIONS

_LEVELS = tuple(preset.name for preset in CREATE_OPTIONS.presets)
_STOPPED = "Stopped"
_WIDTH = 76


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb."""
    levels = "\n".join(f"  {each.name:9}{each.about}" for each in CREATE_OPTIONS.presets)
    parser = subparsers.add_parser(
        "trust",
        help="show or change how far a container is trusted",
        description="Show in plain words what crosses the border between a container and the "
        "host: identities, directories, sockets, devices, networks. With a level, change it; "
        f"folders that are shared by name stay shared.\n\nlevels of trust:\n{levels}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", metavar="CONTAINER", help="the container")
    parser.add_argument(
        "level", metavar="LEVEL", nargs="?", choices=_LEVELS, help="one of " + ", ".join(_LEVELS)
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "-y", "--yes", action="store_true", help="restart a container that runs, without asking"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Show it or change it."""
    with Bus() as bus:
        if arguments.level:
            return _change(bus, arguments.name, arguments.level, arguments.yes)
        report: dict[str, Any] = json.loads(bus.describe_trust(arguments.name))
    if arguments.json:
        output.json_result(report)
    else:
        _show(report)
    return 0


def _change(bus: Bus, name: str, level: str, yes: bool) -> int:
    may_restart = yes or _ask_to_restart(bus, name)
    follow(
        bus,
        lambda: bus.change_trust(name, level, may_restart=may_restart),
        title=f"Trusting {name}: {level}",
        done=f"Container {name} is trusted: {level}",
    )
    output.hint(f"See what crosses its border with: kapsule trust {name}")
    return 0


def _ask_to_restart(bus: Bus, name: str) -> bool:
    """Say that a container that runs is restarted, and ask; a stopped one needs no answer."""
    if bus.get_container_info(name).status == _STOPPED:
        return False
    output.say(f"Container {name} has to be restarted for this. What runs in it ends.")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise Busy(
            "There is nobody to ask", hint=f"Stop it first (kapsule stop {name}), or say --yes"
        )
    print("Restart it now? [y/N] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):  # the input ended, and the line of the question did not
        print(file=sys.stderr)
    if answer.strip().lower() not in ("y", "yes"):
        raise Busy("Nothing was changed")
    return True


def _show(report: dict[str, Any]) -> None:
    dials = " ".join(report["dials"])
    output.result(f"{report['name']}: {report['trust']}{' with ' + dials if dials else ''}")
    output.result(report["summary"] + "\n")
    crossings = report["crossings"]
    for number, crossing in enumerate(crossings):
        if number == 0 or crossing["kind"] != crossings[number - 1]["kind"]:
            output.result(crossing["kind"])
        output.result(f"  {output.clean_line(crossing['what'])}: {crossing['access']}")
        meaning = output.clean_line(crossing["meaning"])
        output.result(textwrap.indent(textwrap.fill(meaning, _WIDTH), "      "))
