# SPDX-License-Identifier: GPL-3.0-or-later
"""`kapsule` with a clock: a program that notes when it gets where.

usage: python3 -IS probe.py DESCRIPTOR WORD...

It runs `kapsule WORD...` and writes a JSON object to the descriptor: by name, times in ns of
CLOCK_MONOTONIC. It imports nothing before the command does, so the command's imports take what they
always take.
"""

import time

_INTERPRETER_UP = time.monotonic_ns()

import sys  # noqa: E402  # after the clock, as everything here

_LAUNCHER = "/usr/bin/kapsule"


def main() -> int:
    """Run the command and report; return the command's status."""
    marks = {"interpreter up": _INTERPRETER_UP}
    _use_paths_of_launcher()
    from kapsule.cli import __main__, enter, enter_arguments  # noqa: F401  # as the command does
    from kapsule.client.bus import Bus
    from kapsule.terminal.relay import Relay

    marks["imported"] = time.monotonic_ns()
    _mark(marks, Bus, "__init__", "connecting", "connected")
    _mark(marks, Bus, "enter", "calling", "answered")
    _mark(marks, Relay, "run", "relaying", "over")
    descriptor = int(sys.argv.pop(1))
    status = __main__.main()
    _report(marks, descriptor)
    return status


def _use_paths_of_launcher() -> None:
    with open(_LAUNCHER) as file:
        exec(next(line for line in file if line.startswith("sys.path")))


def _mark(marks: dict[str, int], owner: type, method: str, before: str, after: str) -> None:
    original = getattr(owner, method)

    def marked(*arguments: object, **keywords: object) -> object:
        marks[before] = time.monotonic_ns()
        try:
            return original(*arguments, **keywords)
        finally:
            marks[after] = time.monotonic_ns()

    setattr(owner, method, marked)


def _report(marks: dict[str, int], descriptor: int) -> None:
    import json
    import os

    os.write(descriptor, json.dumps(marks).encode())


if __name__ == "__main__":
    sys.exit(main())
