# SPDX-License-Identifier: GPL-3.0-or-later
"""The table as flags of the command line."""

import argparse
import os
from typing import Any

from kapsule.options.mount_paths import split_access
from kapsule.options.parse import describe
from kapsule.options.schema import ARRAY, BOOLEAN, Option, OptionValue, Schema

DIRECTORY_PATH = "directory-path"

# Option values live in the namespace under a prefix, so that no key can shadow another argument.
_PREFIX = "option:"


def add_arguments(parser: argparse.ArgumentParser, schema: Schema) -> None:
    """Add a flag for each option, in one group a section.

    A boolean is a pair, `--flag` and `--no-flag`, of which the last one given wins; a list is a
    flag that can be repeated.
    """
    for section in schema.sections:
        group = parser.add_argument_group(section.title)
        for option in section.options:
            if option.type == BOOLEAN:
                _add_pair(group, option)
            else:
                _add_value(group, option)


def collect(namespace: argparse.Namespace, schema: Schema) -> dict[str, OptionValue]:
    """Return the options that were given on the command line, and no others."""
    given = vars(namespace)
    return {
        option.key: tuple(value) if isinstance(value, list) else value
        for option in schema.options
        if (value := given.get(_PREFIX + option.key)) is not None
    }


def _add_pair(group: argparse._ArgumentGroup, option: Option) -> None:
    for value in (True, False):
        default = " (the default)" if value == option.default else ""
        about = _help(option) if value else f"The opposite of {option.flag}"
        group.add_argument(
            describe(option, value),
            dest=_PREFIX + option.key,
            action="store_const",
            const=value,
            default=argparse.SUPPRESS,
            help=about + default,
        )


def _add_value(group: argparse._ArgumentGroup, option: Option) -> None:
    notes = "; can be repeated" if option.type == ARRAY else ""
    default = f" (default: {option.default})" if option.default else ""
    keywords: dict[str, Any] = {"choices": option.choices} if option.choices else {}
    group.add_argument(
        option.flag,
        dest=_PREFIX + option.key,
        action="append" if option.type == ARRAY else "store",
        type=directory_path if option.item_format == DIRECTORY_PATH else str,
        metavar=None if option.choices else option.metavar,
        default=argparse.SUPPRESS,
        help=_help(option) + notes + default,
        **keywords,
    )


def _help(option: Option) -> str:
    # argparse expands % in help texts.
    text = option.description.replace("%", "%%")
    return f"{text}; {option.unavailable.replace('%', '%%')}" if option.unavailable else text


def directory_path(value: str) -> str:
    """Make a path absolute; `~/` stays, because the daemon knows whose home it is.

    What says how it is shared stays as well: options/mount_paths.py.
    """
    path, access = split_access(value)
    if not path:
        raise argparse.ArgumentTypeError("the path is empty")
    return (path if path.startswith("~") else os.path.abspath(path)) + access
