# SPDX-License-Identifier: GPL-3.0-or-later
"""Two ways to run a service: as a unit of systemd, or as a process in a session of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import records

LOGS = "/run/kapsule/log"
# What a service gets of our environment: nothing.
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/root",
}
_DEADLINE = 60.0  # seconds until a service must be ready, or gone


class Failure(Exception):
    """Something that the person in front of the terminal has to know."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service, for both ways.

    unit: systemd's name of it. argv: its program, and path the folders to find programs in.
    is_up: whether it answers. name, title: for the machine and for people.
    """

    name: str
    title: str
    unit: str
    argv: Sequence[str]
    is_up: Callable[[], bool]
    path: str = ENVIRONMENT["PATH"]


def say(text: str) -> None:
    """Tell the person something."""
    print(text, file=sys.stderr, flush=True)


def has_systemd() -> bool:
    """Whether systemd is PID 1. A leftover /run/systemd/system would deceive sd_booted(3)."""
    with open("/proc/1/comm", encoding="utf-8") as file:
        return file.read().strip() == "systemd"


def run(*command: str) -> None:
    """Run a command that has to succeed."""
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if result.returncode:
        raise Failure(f"{' '.join(command)} failed: {(result.stderr or result.stdout).strip()}")


def start(service: Service) -> None:
    """Start a service, remember it and wait until it answers. Raises Failure."""
    say(f"Starting {service.title}")
    if has_systemd():
        run("systemctl", "start", service.unit)
        records.write(service.name, f"unit {service.unit}")
    else:
        _start_process(service)
    if not wait_until(lambda: service.is_up() or not records.runs(service.name)):
        raise Failure(f"{service.title} does not answer. {_last_words(service)}")
    if not service.is_up():
        raise Failure(f"{service.title} ended at once. {_last_words(service)}")


def _start_process(service: Service) -> None:
    os.makedirs(LOGS, mode=0o755, exist_ok=True)
    with open(f"{LOGS}/{service.name}.log", "ab") as log:
        process = subprocess.Popen(
            service.argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=ENVIRONMENT | {"PATH": service.path},
            start_new_session=True,
        )
    records.write(service.name, f"process {process.pid} {records.start_time(process.pid)}")


def _last_words(service: Service) -> str:
    if has_systemd():
        return f"See: journalctl -u {service.unit}"
    with open(f"{LOGS}/{service.name}.log", encoding="utf-8", errors="replace") as log:
        lines = log.readlines()[-15:]
    return f"The end of {LOGS}/{service.name}.log:\n" + "".join(lines)


def stop(service: Service, *, first: Callable[[], None] | None = None) -> None:
    """End a service if it was started here. first: what has to be done before that."""
    if records.is_ours(service.name) and records.runs(service.name):
        say(f"Stopping {service.title}")
        if first:
            first()
        match records.read(service.name):
            case ["unit", unit]:
                run("systemctl", "stop", unit)
            case ["process", pid, _]:
                end([int(pid)])
    records.forget(service.name)


def end(pids: Iterable[int]) -> None:
    """End processes: politely, after a while by force."""
    alive = {pid: records.start_time(pid) for pid in pids}
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
        remaining = [pid for pid, start in alive.items() if start and _is_still(pid, start)]
        for pid in remaining:
            os.kill(pid, number)
        wait_until(lambda: not any(_is_still(*each) for each in alive.items() if each[1]), 5.0)


def _is_still(pid: int, start: str) -> bool:
    return records.start_time(pid) == start


def family(program: str) -> set[int]:
    """Return the processes that run the program at this path, and all their descendants."""
    parents, found = {}, set()
    for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                command = file.read().split(b"\0")
            with open(f"/proc/{pid}/stat", "rb") as file:
                parents[pid] = int(file.read().rpartition(b")")[2].split()[1])
        except OSError:
            continue
        if os.fsencode(program) in command[:3]:  # behind the interpreter and its flags
            found.add(pid)
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def wait_until(condition: Callable[[], bool], seconds: float = _DEADLINE) -> bool:
    """Wait until the condition holds; say whether it did before the time was over."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
