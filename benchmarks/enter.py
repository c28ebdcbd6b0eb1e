# SPDX-License-Identifier: GPL-3.0-or-later
"""A warm enter: against its peers, and where its time goes."""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks import peers
from benchmarks.daemon_side import DaemonSide
from benchmarks.measure import Contender, Series, interleave, stopwatch, timed
from benchmarks.stage import ALICE, PYTHON, container, kapsule
from benchmarks.table import Report, Row, at_most, breakdown, ratio_at_most

_ROUNDS = 31
_PROBE = Path(__file__).with_name("probe.py")
_PHASES = (
    ("interpreter", "begun", "interpreter up"),
    ("imports", "interpreter up", "imported"),
    ("arguments", "imported", "connecting"),
    ("connect to the bus", "connecting", "connected"),
    ("prepare the call", "connected", "calling"),
    ("call to reply", "calling", "answered"),
    ("login program", "answered", "over"),
    ("exit", "over", "ended"),
)
# What the helper executes in the end, timed from within the container: a login shell that runs
# `true`. EPOCHREALTIME is bash's clock in microseconds, with the locale's decimal point.
_LOGIN = """\
begun=${EPOCHREALTIME/[.,]/}
(exec -a -bash bash -c 'exec "$@"' bash true)
echo $((${EPOCHREALTIME/[.,]/} - begun))
"""


def run() -> Report:
    """Measure."""
    with ExitStack() as stack:
        name = stack.enter_context(container("bench"))
        others = stack.enter_context(peers.running())
        daemon_side = DaemonSide(name)
        stack.callback(daemon_side.close)
        return _report(
            interleave(
                [
                    timed("kapsule", ALICE, "kapsule", "enter", name, "--", "true"),
                    timed("incus", ALICE, "incus", "exec", name, "--", *_su()),
                    *others,
                    _login_program(name),
                    _phases(name),
                    daemon_side.enter,
                ],
                rounds=_ROUNDS,
            )
        )


def _su() -> Sequence[str]:
    return ("su", "-l", ALICE.name, "-c", "true")


def _login_program(name: str) -> Contender:
    def measure() -> Mapping[str, float]:
        return {"login": int(kapsule("enter", name, "--", "bash", "-c", _LOGIN)) / 1000}

    return measure


def _phases(name: str) -> Contender:
    read, write = os.pipe()
    words = ("enter", name, "--", "true")
    run = stopwatch(ALICE, PYTHON, "-IS", str(_PROBE), str(write), *words, pass_fds=(write,))
    return lambda: _one_run(run, read)


def _one_run(run: Callable[[], float], read: int) -> Mapping[str, float]:
    """Return the milliseconds of each phase. read: where the probe's report arrives."""
    begun = time.monotonic_ns()
    run()
    marks = {"begun": begun, "ended": time.monotonic_ns(), **json.loads(os.read(read, 65536))}
    return {phase: (marks[end] - marks[start]) / 1e6 for phase, start, end in _PHASES}


def _report(figures: Mapping[str, Series]) -> Report:
    ours = figures["kapsule"]
    own = ours.minus(figures["login"])
    rows = (
        Row("warm enter / incus exec su -l", "ms", ours, figures["incus"], ratio_at_most(0.6)),
        Row(
            "warm enter / distrobox enter",
            "ms",
            ours,
            figures.get("distrobox", peers.NOT_THERE),
            ratio_at_most(0.35),
        ),
        Row("warm enter / podman exec", "ms", ours, figures.get("podman", peers.NOT_THERE)),
        Row("warm enter, all but the login program", "ms", own, "", at_most(45)),
    )
    return Report(rows, (_breakdown(figures),))


def _breakdown(figures: Mapping[str, Series]) -> str:
    reply = figures["call to reply"]
    helper, steps = figures["helper"], figures["steps"]
    inside = [
        ("  session helper", helper),
        ("  daemon's steps", steps),
        ("  bus, who calls, the rest", reply.minus(helper).minus(steps)),
    ]
    parts = [(phase, figures[phase]) for phase, _, _ in _PHASES]
    after = [phase for phase, _, _ in _PHASES].index("call to reply") + 1
    parts[after:after] = inside
    parts.append(("the same login program alone", figures["login"]))
    return breakdown("Warm enter, by phase:", parts, "ms")
