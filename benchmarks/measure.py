# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure several contenders side by side, in turns, in one run."""

import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tests.system.support.users import User

# One round of a contender: does its work once and returns its figures by name.
Contender = Callable[[], Mapping[str, float]]

_WARM_UP = 2


class Series(NamedTuple):
    """One figure, as it was in each round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The figure to quote: single slow rounds of a busy machine do not move it."""
        return statistics.median(self.values)

    @property
    def deviation(self) -> float:
        """The median of the distances to the median, 0 for a single value."""
        middle = self.median
        return statistics.median(abs(value - middle) for value in self.values)

    def minus(self, other: "Series") -> "Series":
        """Return the differences, round by round."""
        pairs = zip(self.values, other.values, strict=True)
        return Series(tuple(mine - its for mine, its in pairs))


def interleave(
    contenders: Sequence[Contender], *, rounds: int, warm_up: int = _WARM_UP
) -> dict[str, Series]:
    """Run the contenders in turns, A B A B, so that what disturbs one disturbs all.

    rounds: how often each is measured. warm_up: how many rounds before that do not count.
    Returns every figure that the contenders give. What a contender raises is passed on.
    """
    figures: defaultdict[str, list[float]] = defaultdict(list)
    for turn in range(warm_up + rounds):
        for contender in contenders:
            for name, value in contender().items():
                if turn >= warm_up:
                    figures[name].append(value)
    return {name: Series(tuple(values)) for name, values in figures.items()}


def stopwatch(user: User, *command: str, **popen: Any) -> Callable[[], float]:
    """Return a function that runs the command and returns its wall time in milliseconds.

    popen: more arguments for subprocess.Popen. The function raises RuntimeError, with what the
    command wrote to standard error, when it fails.
    """
    arguments = {
        "stdin": subprocess.DEVNULL,
        "stdout": subprocess.DEVNULL,
        "env": user.environment({"TERM": "xterm-256color"}),
        "cwd": user.account.pw_dir,
        **user.credentials(),
        **popen,
    }

    def run() -> float:
        with tempfile.TemporaryFile() as errors:
            started = time.perf_counter()
            status = subprocess.Popen(command, stderr=errors, **arguments).wait()
            elapsed = time.perf_counter() - started
            if status != 0:
                errors.seek(0)
                text = errors.read().decode(errors="replace")
                raise RuntimeError(f"{' '.join(command)} ended with {status}: {text}")
            return 1000 * elapsed

    return run


def timed(name: str, user: User, *command: str, **popen: Any) -> Contender:
    """Return a contender whose figure `name` is the time that stopwatch() takes."""
    run = stopwatch(user, *command, **popen)
    return lambda: {name: run()}
