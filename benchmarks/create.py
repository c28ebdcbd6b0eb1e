# SPDX-License-Identifier: GPL-3.0-or-later
"""Create, against Incus alone, and the first enter after it."""

from collections.abc import Mapping

from benchmarks.measure import interleave, stopwatch
from benchmarks.stage import ALICE, IMAGE, kapsule
from benchmarks.table import Report, Row, at_most, ratio_at_most

_ROUNDS = 7


def run() -> Report:
    """Measure."""
    figures = interleave([_kapsule, _incus], rounds=_ROUNDS)
    return Report(
        (
            Row(
                "create / incus launch",
                "ms",
                figures["create"],
                figures["launch"],
                ratio_at_most(1.5),
            ),
            Row("first enter after create", "ms", figures["first enter"], "", at_most(1000)),
        )
    )


def _kapsule() -> Mapping[str, float]:
    create = stopwatch(ALICE, "kapsule", "create", "bench", "--image", f"local:{IMAGE}")
    enter = stopwatch(ALICE, "kapsule", "enter", "bench", "--", "true")
    try:
        return {"create": create(), "first enter": enter()}
    finally:
        kapsule("rm", "--force", "bench")


def _incus() -> Mapping[str, float]:
    keys = ("-c", "security.privileged=true", "-c", "security.nesting=true")
    launch = stopwatch(ALICE, "incus", "launch", "--quiet", IMAGE, "bench-incus", *keys)
    remove = stopwatch(ALICE, "incus", "delete", "--force", "bench-incus")
    try:
        return {"launch": launch()}
    finally:
        remove()
