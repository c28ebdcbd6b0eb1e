# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of `kapsule enter`: which are ours and which are the command's. Pure.

Flags before NAME are ours. What follows NAME, or `--`, is the command, unchanged.
"""

import argparse
from collections.abc import Sequence

from kapsule.cli.enter_words import EnterArguments, name_and_command
from kapsule.cli.parser import Parser, Subparsers, program

_MARK = ":"

_ABOUT = "Enter a container as yourself: run a shell, or a command."
_USAGE = "%(prog)s [options] [NAME] [[--] COMMAND [ARGUMENT ...]]"


def parse(argv: Sequence[str]) -> EnterArguments:
    """Return what the words after `kapsule enter` ask for.

    Raises SystemExit after --help (0) and after a usage error (2).
    """
    parser = Parser(prog=f"{program()} enter", description=_ABOUT, usage=_USAGE)
    _add_flags(parser)
    ours, rest = _split(argv, _flags_with_value(parser))
    flags = parser.parse_args(ours)
    name, command = name_and_command(rest)
    return EnterArguments(
        name=name,
        command=command,
        cwd=flags.cwd,
        env=flags.env,
        clean_env=flags.clean_env,
        root=flags.root,
        osc=flags.osc,
    )


def add_parser(subparsers: Subparsers) -> None:
    """Add the verb, for help, completions and man pages; parse() does the parsing."""
    parser = subparsers.add_parser(
        "enter",
        help="enter a container, or run a command in it",
        description=_ABOUT,
        usage=f"{program()} enter [options] [NAME] [[--] COMMAND [ARGUMENT ...]]",
    )
    parser.add_argument(
        "name", metavar="CONTAINER", nargs="?", help="the container; without one, your default"
    )
    parser.add_argument(
        "command",
        metavar="COMMAND",
        nargs=argparse.REMAINDER,
        help="the command and its arguments, passed on unchanged; without one, a login shell",
    )
    _add_flags(parser)


def _add_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cwd",
        metavar="PATH",
        default="",
        type=_marked,
        help="start in this directory (default: the same)",
    )
    parser.add_argument(
        "--env",
        metavar="NAME[=VALUE]",
        action="append",
        default=[],
        type=_marked,
        help="set a variable, or pass yours of this name; can be repeated",
    )
    parser.add_argument(
        "--clean-env", action="store_true", help="pass no variables but those of --env and TERM"
    )
    parser.add_argument(
        "--root", action="store_true", help="be root in the container (its owner only)"
    )
    parser.add_argument("--no-osc", action="store_false", dest="osc", help=argparse.SUPPRESS)


def _flags_with_value(parser: argparse.ArgumentParser) -> set[str]:
    return {
        flag for action in parser._actions if action.nargs != 0 for flag in action.option_strings
    }


def _split(argv: Sequence[str], with_value: set[str]) -> tuple[list[str], list[str]]:
    """Return our flags, and the words from NAME or `--` on.

    A flag and its value become one word with a mark between them, so that the value may look like
    a flag; up to Python 3.12, argparse loses even the `--` of `--cwd=--`.
    """
    words = list(argv)
    ours: list[str] = []
    while words and words[0].startswith("-") and words[0] not in ("-", "--"):
        flag, equals, value = words.pop(0).partition("=")
        if flag in with_value and (equals or words):
            equals, value = f"={_MARK}", value if equals else words.pop(0)
        ours.append(flag + equals + value)
    return ours, words


def _marked(value: str) -> str:
    return value.removeprefix(_MARK)
