# SPDX-License-Identifier: GPL-3.0-or-later
"""A list of 100 containers, and what they cost the daemon while nobody asks."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measure import Series, interleave, timed
from benchmarks.stage import ALICE, incus, kapsule, main_pid
from benchmarks.table import Report, Row, at_most, ratio_at_most
from kapsule import names

_CONTAINERS = 100
_IMAGE = "busybox"  # they are never started, so the smallest will do
_ROUNDS = 15
_LISTS = 10
_IDLE_SECONDS = 60
_PINGS = 0.1  # a second: incusd sends one to each listener of its events every 10 s
_SETTLE_SECONDS = 3
_QUIET_SECONDS = 75  # until the daemon has forgotten its last operation: daemon.operations.Timing
# What incusd logs at level debug for a request; "/1.0" itself is only how clients say hello.
_REQUEST = re.compile(r'Handling API request.* url="?/1\.0/')


def run() -> Report:
    """Measure."""
    with _containers():
        figures = interleave(
            [timed("kapsule", ALICE, "kapsule", "list"), timed("incus", ALICE, "incus", "list")],
            rounds=_ROUNDS,
        )
        requests = _requests_per_list()
        time.sleep(_QUIET_SECONDS)
        daemon = main_pid("kapsule-daemon.service")
        wake_ups = max(0.0, _wake_ups_per_second(daemon) - _PINGS)
        memory = _resident_mebibytes(daemon)
    what = f"list of {_CONTAINERS}"
    ours, theirs = figures["kapsule"], figures["incus"]
    idle = (
        ("idle daemon: memory", "MiB", memory, 80),
        ("idle daemon: wake-ups but for Incus's pings", "/s", wake_ups, 0),
    )
    return Report(
        (
            Row(f"{what} / incus list", "ms", ours, theirs, ratio_at_most(0.7)),
            Row(f"{what}: requests to Incus", "", Series((requests,)), "", at_most(0)),
            *(
                Row(name, unit, Series((value,)), "", at_most(limit))
                for name, unit, value, limit in idle
            ),
        )
    )


@contextmanager
def _containers() -> Iterator[None]:
    """So many containers of alice's, as far as anybody can tell without starting one."""
    keys = {names.KEY_OWNER: ALICE.account.pw_uid, names.KEY_SETUP_STATE: names.SETUP_DONE}
    options = [word for key, value in keys.items() for word in ("-c", f"{key}={value}")]
    made = [f"bench-{number}" for number in range(_CONTAINERS)]
    for name in made:
        incus("init", "--quiet", _IMAGE, name, *options)
    try:
        _check_listed(set(made))
        yield
    finally:
        incus("delete", "--force", *made)


def _check_listed(made: set[str]) -> None:
    time.sleep(_SETTLE_SECONDS)
    missing = made - {row["name"] for row in json.loads(kapsule("list", "--json"))}
    if missing:
        raise RuntimeError(f"the daemon does not list {sorted(missing)}")


def _requests_per_list() -> float:
    """Return how many requests Incus gets for one list."""
    monitor = subprocess.Popen(
        ["incus", "monitor", "--type=logging", "--pretty", "--loglevel=debug"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        time.sleep(1)  # until it is connected, which is a request too
        incus("query", "/1.0?begin")
        for _ in range(_LISTS):
            kapsule("list")
        incus("query", "/1.0?end")
        return _requests_between(monitor, "begin", "end") / _LISTS
    finally:
        monitor.terminate()
        monitor.wait()


def _requests_between(monitor: "subprocess.Popen[str]", begin: str, end: str) -> int:
    assert monitor.stdout is not None
    count = 0
    for line in monitor.stdout:
        if f"?{begin}" in line:
            count = 0
        elif f"?{end}" in line:
            return count
        elif _REQUEST.search(line):
            count += 1
    raise RuntimeError("incus monitor ended")


def _resident_mebibytes(pid: int) -> float:
    return int(_status(Path(f"/proc/{pid}/status"))["VmRSS"].split()[0]) / 1024


def _wake_ups_per_second(pid: int) -> float:
    """Return how often any thread of the process went from waiting to running."""
    before = _voluntary_switches(pid)
    time.sleep(_IDLE_SECONDS)
    return (_voluntary_switches(pid) - before) / _IDLE_SECONDS


def _voluntary_switches(pid: int) -> int:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int(_status(task / "status")["voluntary_ctxt_switches"]) for task in tasks)


def _status(path: Path) -> dict[str, str]:
    """Return the fields of a status file: proc_pid_status(5)."""
    lines = path.read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
