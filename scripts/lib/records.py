# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make run` started: one file for each thing, in a folder that a restart of the host empties.

A file's text is "process PID START", where START is the kernel's start time of that process, "unit
NAME", "elsewhere" for what ran already, or what else is needed to take the thing back. This module
imports nothing but os: `services status` is on the way of every `make run`.
"""

import os

FOLDER = "/run/kapsule/started"
SERVICES = ("bus", "incus", "session", "daemon")


def write(name: str, text: str) -> None:
    """Remember text under a name."""
    os.makedirs(FOLDER, mode=0o755, exist_ok=True)
    with open(os.path.join(FOLDER, name), "w", encoding="utf-8") as file:
        file.write(text)


def read(name: str) -> list[str]:
    """Return the words that are remembered under a name; none where nothing is."""
    try:
        with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
            return file.read().split()
    except FileNotFoundError:
        return []


def forget(name: str) -> None:
    """Remember nothing under a name any more."""
    try:
        os.unlink(os.path.join(FOLDER, name))
    except FileNotFoundError:
        return


def start_time(pid: int) -> str:
    """Return when a process started, in clock ticks after boot (proc(5)); "" where there is none.

    A process that has ended and waits for its parent counts as gone.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


def runs(name: str) -> bool:
    """Whether the service is one that was started here, or ran before, and has not ended since."""
    match read(name):
        case ["process", pid, start]:
            return start_time(int(pid)) == start
        case ["unit", unit]:
            return is_active(unit)
        case ["elsewhere"]:
            return True
        case _:
            return False


def is_ours(name: str) -> bool:
    """Whether the service was started here, whatever has become of it."""
    return read(name) not in ([], ["elsewhere"])


def is_active(unit: str) -> bool:
    """Whether systemd says that the unit runs."""
    command = ["systemctl", "is-active", "--quiet", unit]
    return os.waitpid(os.posix_spawnp("systemctl", command, os.environ), 0)[1] == 0


def is_outdated(name: str, root: str) -> bool:
    """Whether a source file under root is younger than the service that was started from it."""
    try:
        started = os.stat(os.path.join(FOLDER, name)).st_mtime
    except FileNotFoundError:
        return False
    return any(
        os.stat(os.path.join(folder, file)).st_mtime > started
        for folder, _, files in os.walk(os.path.join(root, "src"))
        for file in files
        if file.endswith(".py")
    )


def everything_runs(root: str) -> bool:
    """Whether all services run, those of this checkout from its present sources."""
    return all(map(runs, SERVICES)) and not is_outdated("daemon", root)
