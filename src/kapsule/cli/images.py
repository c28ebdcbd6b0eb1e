# SPDX-License-Identifier: GPL-3.0-or-later
"""`kapsule image`: the images that containers are made from."""

import argparse
import json
import os
from typing import Any

from kapsule.cli import output
from kapsule.cli.follow import follow
from kapsule.cli.parser import Subparsers
from kapsule.client.bus import Bus

_COLUMNS = ("FINGERPRINT", "ALIAS", "DESCRIPTION", "SIZE", "UPLOADED")
_SHORT = 12  # characters of a fingerprint, as Incus prints it
_MEGABYTE, _GIGABYTE = 10**6, 10**9


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb with its own verbs."""
    parser = subparsers.add_parser(
        "image", help="list and manage images", description="List and manage images."
    )
    parser.set_defaults(run=lambda arguments: _show_help(parser))
    verbs = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add_list(verbs)
    _add_import(verbs)
    _add_delete(verbs)
    _add_refresh(verbs)


def _show_help(parser: argparse.ArgumentParser) -> int:
    parser.print_help()
    return 0


def _add_list(verbs: Subparsers) -> None:
    parser = verbs.add_parser("list", aliases=["ls"], help="list the images that are here")
    parser.add_argument("--json", action="store_true", help="print JSON, as Incus has it")
    parser.set_defaults(run=list_images)


def _add_import(verbs: Subparsers) -> None:
    parser = verbs.add_parser("import", help="import an image from a directory")
    parser.add_argument(
        "path", metavar="PATH", help="a directory with incus.tar.xz and rootfs.squashfs"
    )
    parser.add_argument(
        "-a", "--alias", metavar="NAME", default="", help="its name (default: the directory's)"
    )
    parser.set_defaults(run=import_image)


def _add_delete(verbs: Subparsers) -> None:
    parser = verbs.add_parser("delete", aliases=["rm"], help="delete an image")
    parser.add_argument("image", metavar="IMAGE", help="its alias or fingerprint")
    parser.set_defaults(run=delete_image)


def _add_refresh(verbs: Subparsers) -> None:
    parser = verbs.add_parser("refresh", help="fetch new versions of cached images")
    parser.add_argument(
        "image", metavar="IMAGE", nargs="?", default="", help="only this one (default: all)"
    )
    parser.set_defaults(run=refresh_images)


def list_images(arguments: argparse.Namespace) -> int:
    """Print the images."""
    with Bus() as bus:
        images: list[dict[str, Any]] = json.loads(bus.list_images())
    if arguments.json:
        output.json_result(images)
    elif images:
        output.table(_COLUMNS, [_cells(image) for image in images])
    else:
        output.say("No images found.")
    return 0


def import_image(arguments: argparse.Namespace) -> int:
    """Import an image from a directory of the host."""
    path = os.path.abspath(arguments.path)
    alias = arguments.alias or os.path.basename(path)
    with Bus() as bus:
        follow(
            bus,
            lambda: bus.import_image(path, alias),
            title=f"Importing image: {path}",
            done=f'Image imported successfully as "{alias}"',
        )
    return 0


def delete_image(arguments: argparse.Namespace) -> int:
    """Delete an image."""
    with Bus() as bus:
        follow(
            bus,
            lambda: bus.delete_image(arguments.image),
            title=f"Deleting image: {arguments.image}",
            done="Image deleted",
        )
    return 0


def refresh_images(arguments: argparse.Namespace) -> int:
    """Fetch new versions of cached images."""
    image = arguments.image
    title = f"Refreshing image: {image}" if image else "Refreshing all cached images"
    with Bus() as bus:
        follow(bus, lambda: bus.refresh_images(image), title=title, done="Images refreshed")
    return 0


def _cells(image: dict[str, Any]) -> tuple[str, ...]:
    aliases = image.get("aliases") or []
    properties = image.get("properties") or {}
    return (
        str(image.get("fingerprint", ""))[:_SHORT],
        ", ".join(str(alias.get("name", "")) for alias in aliases),
        str(properties.get("description", "")),
        _size(image.get("size") or 0),
        str(image.get("uploaded_at", "")).partition("T")[0],
    )


def _size(size: int) -> str:
    if size >= _GIGABYTE:
        return f"{size / _GIGABYTE:.1f} GB"
    return f"{size / _MEGABYTE:.1f} MB"
