# SPDX-License-Identifier: GPL-3.0-or-later
"""Which program of the guest a session runs. Looks at the guest's files; runs inside it."""

import os
from collections.abc import Sequence
from typing import NamedTuple

# Shells that understand `-c 'exec "$@"' NAME WORD...` and read the profile when argv[0] has a dash.
_POSIX_SHELLS = {"ash", "bash", "dash", "ksh", "mksh", "sh", "yash", "zsh"}
# Those whose `exec` has options, so that a word with a dash would be taken for one; to the others
# `--` would be the command itself.
_EXEC_WITH_OPTIONS = {"bash", "ksh", "mksh", "zsh"}


class Program(NamedTuple):
    """What to execute: a path and the words that it gets, with its own name first."""

    path: str
    arguments: tuple[str, ...]


def find_shell(wanted: str) -> str:
    """Return the account's shell, else the plain one, "" where there is neither."""
    candidates = (wanted, "/bin/sh", "/usr/bin/sh", "/run/current-system/sw/bin/sh")
    return next((path for path in candidates if path and _is_executable(path)), "")


def choose(shell: str, command: Sequence[str]) -> Program:
    """Return the login shell, or the command run by way of it, with its words as they are.

    A login shell in between reads the guest's profile files, so that a command finds the same PATH
    as one that is typed. The words are the shell's own positional parameters: nothing quotes them.
    """
    if not command:
        return Program(shell, ("-" + os.path.basename(shell),))
    name = os.path.basename(shell)
    if name not in _POSIX_SHELLS:
        shell = find_shell("/bin/sh") or shell
        name = os.path.basename(shell)
    script = 'exec -- "$@"' if name in _EXEC_WITH_OPTIONS else 'exec "$@"'
    return Program(shell, ("-" + name, "-c", script, name, *command))


def _is_executable(path: str) -> bool:
    return os.path.isabs(path) and os.path.isfile(path) and os.access(path, os.X_OK)
