# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the command takes to start, and which modules that goes to."""

import subprocess

from benchmarks.measure import Series, interleave, timed
from benchmarks.stage import ALICE, LAUNCHER, PYTHON, container
from benchmarks.table import Report, Row, breakdown

_ROUNDS = 21
_IMPORT_ROUNDS = 7
_SHOWN = 25


def run() -> Report:
    """Measure."""
    figures = interleave(
        [
            timed("version", ALICE, "kapsule", "--version"),
            timed("enter help", ALICE, "kapsule", "enter", "--help"),
            timed("interpreter", ALICE, PYTHON, "-IS", "-c", "pass"),
        ],
        rounds=_ROUNDS,
    )
    bare = figures["interpreter"]
    rows = (
        Row("kapsule --version / bare python3 -IS", "ms", figures["version"], bare),
        Row("kapsule enter --help / bare python3 -IS", "ms", figures["enter help"], bare),
    )
    return Report(rows, (_by_module(),))


def _by_module() -> str:
    with container("bench") as name:
        rounds = [_import_times(name) for _ in range(_IMPORT_ROUNDS)]
    modules = {
        module: Series(tuple(each[module] for each in rounds if module in each))
        for module in rounds[0]
    }
    slowest = sorted(modules.items(), key=lambda pair: -pair[1].median)[:_SHOWN]
    total = Series(tuple(sum(each.values()) for each in rounds))
    title = (
        f"Imports of `kapsule enter NAME -- true`, the slowest of {len(modules)}, each by itself:"
    )
    return breakdown(title, [("all", total), *slowest], "ms")


def _import_times(name: str) -> dict[str, float]:
    """Return the milliseconds that each module takes by itself: -X importtime in python(1)."""
    command = [PYTHON, "-X", "importtime", "-IS", str(LAUNCHER), "enter", name, "--", "true"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
        env=ALICE.environment(),
        cwd=ALICE.account.pw_dir,
        **ALICE.credentials(),
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    fields = [line.removeprefix("import time:").split("|") for line in lines[1:]]
    return {module.strip(): int(own) / 1000 for own, _, module in fields}
