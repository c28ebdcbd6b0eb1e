# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed or interrupted request could leave behind on the host, and what it says of it."""

import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.system.support.box import DAEMON, main_pid

_UNITS = (DAEMON, "kapsule-session.service")
_PATIENCE = 30.0

# Where containers leave something while they exist.
_PLACES = (
    "/run/kapsule",
    "/sys/fs/cgroup",
    "/var/lib/incus/containers",
    "/var/lib/incus/devices",
    "/var/lib/incus/security/seccomp",
    "/var/lib/incus/shmounts",
    "/var/lib/incus/storage-pools/default/containers",
)
# Where nothing may be left at all.
_FOLDERS = ("/home/alice", "/tmp", "/var/tmp", "/run/kapsule", "/var/lib/incus/images")
_PASSING = ("pytest",)
_LASTING = ("netns", "runs", "session.socket", "sessions")  # in /run/kapsule
# What would be a bug, whoever's request it was.
_BUGS = ("Traceback", "Unexpected error", "never retrieved", "was destroyed")


class Traces(NamedTuple):
    """What there is, as far as requests leave something."""

    instances: list[str]
    images: list[str]
    volumes: list[str]
    files: list[str]
    helpers: int  # processes of the session helper, beside the one that is always there
    descriptors: list[str]


@contextmanager
def nothing_left(name: str, *, daemon_survives: bool = True) -> Iterator[None]:
    """Check that the block leaves nothing of this name, nothing new at all, and a sound daemon.

    daemon_survives: whether it must be the same process all the time.
    """
    before = take()
    with sound_daemon(survives=daemon_survives):
        yield
        check_none_left(before, name)


@contextmanager
def sound_daemon(*, survives: bool = True) -> Iterator[None]:
    """Check that nothing which the daemon logs in the block tells of a bug.

    survives: whether it must be the same process all the time.
    """
    cursor, pid = journal_cursor(), main_pid(DAEMON)
    yield
    assert not survives or main_pid(DAEMON) == pid, "the daemon did not survive"
    log = journal_since(cursor)
    assert not any(word in log for word in _BUGS), log


def take() -> Traces:
    """Return what there is now."""
    return Traces(
        instances=_names("instances"),
        images=_names("images") + _names("images/aliases"),
        volumes=_names("storage-pools/default/volumes"),
        files=sorted(_files()),
        helpers=max(0, len(_processes_of("kapsule-session.service")) - 1),
        descriptors=_descriptors(),
    )


def of(name: str) -> list[str]:
    """Return where something of a container can be found by its name."""
    found = [line.split()[4] for line in _mounts() if name in line]
    for place in _PLACES:
        found += [entry.path for entry in _walk(place, 2) if name in entry.name]
    return found


def check_none_left(before: Traces, name: str) -> None:
    """Wait until everything is as before, with nothing of this name. Raises AssertionError."""
    deadline = time.monotonic() + _PATIENCE
    while differences := _differences(before, take()) + of(name):
        assert time.monotonic() < deadline, f"left behind: {differences}"
        time.sleep(0.1)


def until(condition: Callable[[], object], seconds: float = _PATIENCE) -> None:
    """Wait until something is so. Raises AssertionError when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not come to pass"
        time.sleep(0.02)


def journal_cursor() -> str:
    """Return where the journal ends now."""
    entry = _run("journalctl", "--output=json", "--lines=1", "--no-pager")
    return str(json.loads(entry)["__CURSOR"])


def journal_since(cursor: str) -> str:
    """Return what the daemon and the session helper have logged since then."""
    _run("journalctl", "--sync")
    units = [f"--unit={unit}" for unit in _UNITS]
    return _run("journalctl", f"--after-cursor={cursor}", "--output=cat", "--no-pager", *units)


class _Incus(http.client.HTTPConnection):
    """A connection to Incus, without the time that its command takes to start."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/var/lib/incus/unix.socket")


def _names(collection: str) -> list[str]:
    incus = _Incus("incus")
    incus.request("GET", f"/1.0/{collection}")
    reply = json.loads(incus.getresponse().read())
    incus.close()
    return sorted(reply["metadata"])


def _differences(before: Traces, now: Traces) -> list[str]:
    found = [f"{now.helpers} helpers"] if now.helpers > before.helpers else []
    for one, other in zip(before, now, strict=True):
        if isinstance(one, list) and isinstance(other, list):
            found += [f"- {each}" for each in one if each not in other]
            found += [f"+ {each}" for each in other if each not in one]
            found += [f"{len(other)} of {set(other)}"] if len(one) < len(other) else []
    return found


def _files() -> list[str]:
    return [
        entry.path
        for folder in _FOLDERS
        for entry in _walk(folder, 1)
        if not entry.name.startswith(_PASSING) and entry.name not in _LASTING
    ]


def _walk(folder: str, depth: int) -> list["os.DirEntry[str]"]:
    try:
        entries = list(os.scandir(folder))
    except OSError:  # it went away while we looked
        return []
    if depth == 1:
        return entries
    inner = [_walk(entry.path, depth - 1) for entry in entries if entry.is_dir()]
    return entries + [each for found in inner for each in found]


def _mounts() -> list[str]:
    pids = ["self", *_run("pidof", "incusd", check=False).split()]
    tables = [Path(f"/proc/{pid}/mountinfo") for pid in pids]
    return [line for table in tables if table.exists() for line in table.read_text().splitlines()]


def _processes_of(unit: str) -> list[str]:
    group = Path(f"/sys/fs/cgroup/system.slice/{unit}/cgroup.procs")
    return group.read_text().split() if group.exists() else []


def _descriptors() -> list[str]:
    """Return what the daemon has open, but for sockets: it keeps some of Incus's for a while."""
    links = []
    for entry in _walk(f"/proc/{main_pid(DAEMON)}/fd", 1):
        with suppress(FileNotFoundError):
            links.append(os.readlink(entry.path))
    # What stands for a container that runs is kept until another one is looked for.
    passing = ("socket:", "anon_inode:")
    return sorted(link.partition(":")[0] for link in links if not link.startswith(passing))


def _run(*words: str, check: bool = True) -> str:
    return subprocess.run(words, check=check, capture_output=True, text=True).stdout
