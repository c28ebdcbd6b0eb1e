# SPDX-License-Identifier: GPL-3.0-or-later
"""The parser of the whole command line: for parsing, help, completions and man pages."""

import argparse
import os
import sys
from typing import NoReturn, TypeAlias

from kapsule import __version__

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

# Verb or alias -> the module that has add_parser(). In the order of the help.
VERBS = {
    "enter": "enter_arguments",
    "create": "create",
    "list": "list",
    "ls": "list",
    "info": "info",
    "start": "lifecycle",
    "stop": "lifecycle",
    "restart": "lifecycle",
    "rm": "lifecycle",
    "remove": "lifecycle",
    "trust": "trust",
    "mount": "mounts",
    "unmount": "mounts",
    "chown": "chown",
    "config": "config",
    "image": "images",
}

_ABOUT = "Containers on Incus that feel like the machine itself"


class _Formatter(argparse.HelpFormatter):
    """Help as wide as the terminal.

    argparse would import shutil to ask for that, and it asks whenever a flag is defined.
    """

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


class Parser(argparse.ArgumentParser):
    """A parser that complains as the rest of the command does and guesses no abbreviations."""

    def __init__(self, *args: object, **keywords: object) -> None:
        keywords.setdefault("allow_abbrev", False)
        keywords.setdefault("formatter_class", _Formatter)
        super().__init__(*args, **keywords)  # type: ignore[arg-type]  # passed through

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and where help is, and leave with status 2."""
        from kapsule.cli import output
        from kapsule.errors import InvalidArgument

        output.error(InvalidArgument(message, hint=f"See `{self.prog} --help`"))
        sys.exit(2)


def build(verb: str | None = None) -> argparse.ArgumentParser:
    """Return the parser.

    verb: build only what this verb needs; None for everything.
    """
    from importlib import import_module  # here, because enter does without

    parser = Parser(prog=program(), description=_ABOUT + ".")
    parser.add_argument(
        "-V", "--version", action="version", version=f"%(prog)s version {__version__}"
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", dest="verb")
    for module in dict.fromkeys([VERBS[verb]] if verb else VERBS.values()):
        import_module(f"kapsule.cli.{module}").add_parser(subparsers)
    return parser


def parse(words: list[str]) -> argparse.Namespace:
    """Return the arguments, with what carries them out in `run`.

    Raises SystemExit after help and version (0) and after a usage error (2).
    """
    first = words[0] if words else "--help"
    if first in VERBS:
        return build(first).parse_args(words)
    parser = build()
    if not first.startswith("-"):
        parser.error(f"There is no command {first!r}")
    arguments = parser.parse_args(words or [first])
    if arguments.verb is None:
        parser.error("There is no command")
    return arguments


def _columns() -> int:
    wanted = os.environ.get("COLUMNS", "")
    if wanted.isdecimal():
        return max(40, int(wanted))
    try:
        return max(40, os.get_terminal_size().columns)
    except (OSError, ValueError):  # no terminal, or no stdout at all
        return 80


def program() -> str:
    """Return what to call the program: as it was called, where that is one of its two names."""
    return "kap" if os.path.basename(sys.argv[0]) == "kap" else "kapsule"
