# SPDX-License-Identifier: GPL-3.0-or-later
"""The `kapsule` command. Only the module of the verb that is asked for is imported."""

import os
import sys
from typing import TYPE_CHECKING, NoReturn

from kapsule.errors import KapsuleError

if TYPE_CHECKING:
    from kapsule.cli import enter_words

INTERRUPTED = 130  # as shells say for a program that Ctrl-C ended
READER_GONE = 141  # likewise for one that wrote into a closed pipe


def main(argv: list[str] | None = None) -> int:
    """Run the command.

    argv: the words after the program's name; None for those of this process.
    Returns the exit status; usage errors raise SystemExit(2), as argparse has it.
    """
    try:
        status = _run(sys.argv[1:] if argv is None else argv)
        if argv is None:
            _leave(status)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except KapsuleError as error:
        from kapsule.cli import output

        output.error(error)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Python would complain when it flushes once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE


def _run(words: list[str]) -> int:
    if words[:1] == ["enter"]:
        from kapsule.cli import enter, enter_words

        return enter.run(enter_words.parse_plain(words[1:]) or _parse_flags(words[1:]))
    from kapsule.cli import parser

    arguments = parser.parse(words)
    status: int = arguments.run(arguments)
    return status


def _parse_flags(words: list[str]) -> "enter_words.EnterArguments":
    from kapsule.cli import enter_arguments

    return enter_arguments.parse(words)


def _leave(status: int) -> NoReturn:
    """End the process at once: the interpreter takes 7 ms to clear up what ends with it anyway."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    sys.exit(main())
