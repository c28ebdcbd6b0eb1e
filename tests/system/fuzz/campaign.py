# SPDX-License-Identifier: GPL-3.0-or-later
"""Many calls of one user, from several processes at once."""

import json
import os
import subprocess
import sys
import time
from collections import Counter
from dataclasses import astuple, dataclass
from pathlib import Path

from tests.system.fuzz.interfaces import MANAGER_PATH, Method, methods
from tests.system.support.box import DAEMON, main_pid
from tests.system.support.users import User

SEED = int(os.environ.get("KAPSULE_FUZZ_SEED", "20260211"))
CALLS = int(os.environ.get("KAPSULE_FUZZ_CALLS", "20000"))
_WORKERS = 3
_POOL = 100
_INTERFACES = Path("/usr/share/dbus-1/interfaces")
_SOURCE = "/src"


@dataclass(frozen=True, slots=True)
class Result:
    """How a campaign went."""

    answers: Counter[str]
    faults: list[str]
    seconds: float


def run(user: User, calls: int, *, creates: int = 0) -> Result:
    """Have a user make so many calls. creates: as Calls has it."""
    print(f"\nKAPSULE_FUZZ_SEED={SEED} KAPSULE_FUZZ_CALLS={CALLS}: {calls} calls of {user.name}")
    known = known_methods(user)
    begin = time.monotonic()
    workers = [
        _start(user, number, calls // _WORKERS + 1, known, creates) for number in range(_WORKERS)
    ]
    answers: Counter[str] = Counter()
    faults: list[str] = []
    for worker in workers:
        out, error = worker.communicate(timeout=7200 + calls)
        assert worker.returncode == 0, error.decode()
        found = json.loads(out)
        answers.update(found["answers"])
        faults += found["faults"]
    seconds = time.monotonic() - begin
    print(
        f"{seconds:.0f} s",
        *(f"{count:7} {name}" for name, count in answers.most_common()),
        sep="\n",
    )
    return Result(answers, faults, seconds)


def known_methods(user: User) -> list[Method]:
    """Return the Manager's methods as it tells them itself, and an operation's as is installed.

    A user without operations cannot ask one.
    """
    call = ("busctl", "call", "--json=short", "org.kde.kapsule", MANAGER_PATH)
    reply = user.run(*call, "org.freedesktop.DBus.Introspectable", "Introspect")
    (manager,) = json.loads(reply.text)["data"]
    operation = (_INTERFACES / "org.kde.kapsule.Operation.xml").read_text()
    return methods(manager) + methods(operation)


def daemon_names() -> list[str]:
    """Return the unique names of the daemon's connections to the bus."""
    command = ["busctl", "list", "--unique", "--no-legend", "--no-pager"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.split()[0] for line in lines if line.split()[1] == str(main_pid(DAEMON))]


def _start(
    user: User, number: int, calls: int, known: list[Method], creates: int
) -> "subprocess.Popen[bytes]":
    order = {
        "seed": SEED + number,
        "pool": _POOL,
        "count": calls,
        "creates": creates,
        "methods": [astuple(each) for each in known],
        "targets": ["org.kde.kapsule"] * 8 + daemon_names(),
    }
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.system.fuzz.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=_SOURCE,
        env=user.environment() | {"PYTHONPATH": ":".join(sys.path)},
        **user.credentials(),
    )
    assert worker.stdin is not None
    worker.stdin.write(json.dumps(order).encode())
    worker.stdin.flush()
    return worker
