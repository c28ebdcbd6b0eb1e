# SPDX-License-Identifier: GPL-3.0-or-later
"""`kapsule mount` and `kapsule unmount`: what an existing container shares with the host."""

import argparse

from kapsule.cli.follow import follow
from kapsule.cli.parser import Subparsers
from kapsule.client.bus import Bus
from kapsule.options.arguments import directory_path


def add_parser(subparsers: Subparsers) -> None:
    """Add the two verbs."""
    mount = subparsers.add_parser(
        "mount",
        help="share a directory with a container",
        description="Share a directory of the host with a container, at the same path: at once "
        "where it runs, else from its next start on.",
    )
    mount.add_argument("name", metavar="CONTAINER", help="the container")
    mount.add_argument(
        "path",
        metavar="PATH",
        type=directory_path,
        help="the directory; PATH:ro shares it read-only, without what is mounted in it",
    )
    mount.set_defaults(run=run_mount)
    unmount = subparsers.add_parser(
        "unmount",
        help="share a directory with a container no longer",
        description="Take a directory that was shared with --custom-mounts or `kapsule mount` out "
        "of a container. Nothing in it is touched. Where the container's root has mounted it at "
        "another place, it stays there until the container stops.",
    )
    unmount.add_argument("name", metavar="CONTAINER", help="the container")
    unmount.add_argument("path", metavar="PATH", type=directory_path, help="the directory")
    unmount.set_defaults(run=run_unmount)


def run_mount(arguments: argparse.Namespace) -> int:
    """Share it."""
    name, path = arguments.name, arguments.path
    with Bus() as bus:
        follow(
            bus,
            lambda: bus.add_mount(name, path),
            title=f"Sharing with {name}: {path}",
            done="Directory shared",
        )
    return 0


def run_unmount(arguments: argparse.Namespace) -> int:
    """Share it no longer."""
    name, path = arguments.name, arguments.path
    with Bus() as bus:
        follow(
            bus,
            lambda: bus.remove_mount(name, path),
            title=f"Taking out of {name}: {path}",
            done="Directory no longer shared",
        )
    return 0
