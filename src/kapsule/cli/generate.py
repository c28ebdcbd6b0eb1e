# SPDX-License-Identifier: GPL-3.0-or-later
"""Completions, man pages and docs/options.md, from the parser and the option table.

Runs when Kapsule is built: scripts/generate DIR. It needs shtab and argparse-manpage, which the
installed command does not.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import shtab
from argparse_manpage.manpage import Manpage  # type: ignore[import-untyped]  # ships no types

from kapsule import __version__
from kapsule.cli import parser as command_line
from kapsule.options.document import to_markdown
from kapsule.options.table import CREATE_OPTIONS

_NAMES = "kapsule list --names 2>/dev/null"

# What an argument is called in the help -> what the shell offers for it.
_COMPLETIONS = {"CONTAINER": shtab.cmd(_NAMES), "PATH": shtab.DIRECTORY}

# Shell -> file below completions/, and the line that lets the alias complete likewise.
_SHELLS = {
    "bash": ("bash/kapsule", "complete -o bashdefault -F _shtab_kapsule kap"),
    "zsh": ("zsh/_kapsule", ""),
    "fish": ("fish/kapsule.fish", ""),
}
_FISH_ALIAS = "complete -c kap -w kapsule\n"


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the completion script of the parser for bash, zsh or fish, and for `kap` too."""
    for each in _parsers(parser):
        for action in each._actions:
            if action.metavar in _COMPLETIONS:
                # Where shtab looks for it.
                setattr(action, "complete", _COMPLETIONS[str(action.metavar)])  # noqa: B010
    script = shtab.complete(parser, shell).replace("#compdef kapsule\n", "#compdef kapsule kap\n")
    return f"{script}\n{_SHELLS[shell][1]}".rstrip() + "\n"


def man_pages(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Return file name -> man page: kapsule.1 for all, its alias, and one for each verb."""
    pages = {
        "kapsule.1": _man_page(parser, "kapsule", str(parser.description)),
        "kap.1": ".so man1/kapsule.1\n",
    }
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                name = f"kapsule-{choice.dest.split()[0]}"
                verb = action.choices[choice.dest.split()[0]]
                pages[f"{name}.1"] = _man_page(verb, name, str(choice.help))
    return pages


def main() -> None:
    """Write everything into the directory that the command line names."""
    directory = Path(sys.argv[1])
    sys.argv[0] = "kapsule"  # what the parser calls itself
    parser = command_line.build()
    _write(directory / "options.md", to_markdown(CREATE_OPTIONS))
    for name, page in man_pages(parser).items():
        _write(directory / "man" / name, page)
    for shell, (file, _) in _SHELLS.items():
        _write(directory / "completions" / file, completion(parser, shell))
    _write(directory / "completions" / "fish" / "kap.fish", _FISH_ALIAS)


def _man_page(parser: argparse.ArgumentParser, name: str, about: str) -> str:
    os.environ.setdefault("COLUMNS", "80")
    page = Manpage(parser)
    page.prog = name
    page.source = f"kapsule {__version__}"
    page.manual = "Kapsule"
    page.description = about.rstrip(".")
    return str(page)


def _parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                yield from _parsers(child)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == "__main__":
    main()
