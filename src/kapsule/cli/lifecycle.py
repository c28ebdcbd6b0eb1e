# SPDX-License-Identifier: GPL-3.0-or-later
"""`kapsule start`, `stop`, `restart` and `rm`: one thing after the other, to several containers."""

import argparse
from collections.abc import Callable
from typing import NamedTuple

from kapsule.cli import output
from kapsule.cli.follow import follow
from kapsule.cli.parser import Subparsers
from kapsule.client.bus import Bus
from kapsule.errors import KapsuleError


class Verb(NamedTuple):
    """One verb: how it is called, what it says, and what it does.

    force: the help of --force, "" where there is no such flag. doing: the headline's first word.
    done: the last line; {} is the container.
    """

    help: str
    force: str
    doing: str
    done: str
    start: Callable[[Bus, str, bool], str]
    aliases: tuple[str, ...] = ()


# Starting what runs and stopping what does not run succeed, so those two say how it is now.
_VERBS = {
    "start": Verb(
        "start containers",
        "",
        "Starting",
        "Container {} is running",
        lambda bus, name, force: bus.start_container(name),
    ),
    "stop": Verb(
        "stop containers",
        "stop them at once, without a shutdown",
        "Stopping",
        "Container {} is stopped",
        lambda bus, name, force: bus.stop_container(name, force=force),
    ),
    "restart": Verb(
        "restart containers",
        "restart them at once, without a shutdown",
        "Restarting",
        "Container {} restarted",
        lambda bus, name, force: bus.restart_container(name, force=force),
    ),
    "rm": Verb(
        "remove containers and all that is in them",
        "also those that run",
        "Removing",
        "Container {} removed",
        lambda bus, name, force: bus.delete_container(name, force=force),
        ("remove",),
    ),
}


def add_parser(subparsers: Subparsers) -> None:
    """Add the four verbs."""
    for name, verb in _VERBS.items():
        about = verb.help[0].upper() + verb.help[1:] + "."
        parser = subparsers.add_parser(
            name, aliases=verb.aliases, help=verb.help, description=about
        )
        parser.add_argument("names", metavar="CONTAINER", nargs="+", help="the containers")
        if verb.force:
            parser.add_argument("-f", "--force", action="store_true", help=verb.force)
        parser.set_defaults(run=run, force=False, does=verb)


def run(arguments: argparse.Namespace) -> int:
    """Do it to each container, also after one of them failed; 1 if any did."""
    failed = False
    with Bus() as bus:
        for name in dict.fromkeys(arguments.names):
            try:
                _do(bus, arguments.does, name, arguments.force)
            except KapsuleError as error:
                output.error(error)
                failed = True
    return 1 if failed else 0


def _do(bus: Bus, verb: Verb, name: str, force: bool) -> None:
    follow(
        bus,
        lambda: verb.start(bus, name, force),
        title=f"{verb.doing} container: {name}",
        done=verb.done.format(name),
    )
