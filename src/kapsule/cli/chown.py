# SPDX-License-Identifier: GPL-3.0-or-later
"""`kapsule chown`: give a container to another user."""

import argparse
import pwd

from kapsule.cli.follow import follow
from kapsule.cli.parser import Subparsers
from kapsule.client.bus import Bus
from kapsule.errors import NotFound


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb."""
    parser = subparsers.add_parser(
        "chown",
        help="give a container to another user",
        description="Give a stopped container to another user. What its owner until now shared "
        "with it is not shared any more. You may be asked to authenticate.",
    )
    parser.add_argument("name", metavar="CONTAINER", help="the container")
    parser.add_argument("user", metavar="USER", help="the new owner: a name or a uid")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Give it away."""
    name, uid = arguments.name, _uid(arguments.user)
    with Bus() as bus:
        follow(
            bus,
            lambda: bus.change_owner(name, uid),
            title=f"Changing the owner of container: {name}",
            done=f"Container {name} belongs to {arguments.user}",
        )
    return 0


def _uid(user: str) -> int:
    """Return the uid of an account. As for chown(1), a name comes before a number."""
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        if user.isdecimal() and user.isascii() and int(user) < 2**32 - 1:
            return int(user)
        raise NotFound(f"There is no user '{user}' on this machine") from None
