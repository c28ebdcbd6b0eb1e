# SPDX-License-Identifier: GPL-3.0-or-later
"""What `kapsule enter` was asked for, and the short way to it where no flag is given. Pure."""

from collections.abc import Sequence
from typing import NamedTuple


class EnterArguments(NamedTuple):
    """What was asked for.

    name: the container, "" for the default one. command: the words to run, [] for a shell. cwd:
    where to start, "" for the same directory as here. env: NAME or NAME=VALUE, in order.
    clean_env: pass nothing else of the environment. root: be root in the container. osc: tell the
    terminal about it.
    """

    name: str
    command: list[str]
    cwd: str = ""
    env: Sequence[str] = ()
    clean_env: bool = False
    root: bool = False
    osc: bool = True


def parse_plain(words: Sequence[str]) -> EnterArguments | None:
    """Return what words without a flag of ours ask for; None leaves them to argparse.

    Most enters have none, and argparse takes 3 ms to import.
    """
    if words and words[0].startswith("-") and words[0] not in ("-", "--"):
        return None
    return EnterArguments(*name_and_command(list(words)))


def name_and_command(words: list[str]) -> tuple[str, list[str]]:
    """Take the words from NAME or `--` on apart."""
    if words[:1] == ["--"]:
        return "", words[1:]
    name, command = (words[0], words[1:]) if words else ("", [])
    return name, command[1:] if command[:1] == ["--"] else command
