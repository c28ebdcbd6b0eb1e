# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks on those who enter: on the helper while it crosses the border, and on their terminals."""

import contextlib
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.system.attacks.actor import Actor
from tests.system.attacks.attack import (
    FULL,
    attack,
    expect,
)
from tests.system.attacks.listeners import SESSION
from tests.system.attacks.scene import Scene
from tests.system.attacks.shared_folders import PRIVILEGED

_PROGRAMS = (
    *("/bin/sh", "/bin/bash", "/usr/bin/su", "/usr/bin/mount", "/usr/bin/umount"),
    *("/usr/bin/login", "/usr/sbin/useradd", "/usr/sbin/usermod", "/usr/sbin/groupadd"),
    *("/usr/bin/id", "/usr/bin/getent", "/usr/bin/env", "/usr/bin/mountpoint"),
)


def _enter(scene: Scene, root: Actor, *flags: str) -> None:
    scene.alice.kapsule("enter", *flags, root.name, "--", "true", env=SESSION)


@contextlib.contextmanager
def _replaced(root: Actor) -> Iterator[None]:
    programs = root("session.replace", list(_PROGRAMS), private=False)
    try:
        root("session.records", private=False)
        yield
    finally:
        root("session.restore", programs, private=False)


def _privileges(root: Actor, init: int) -> list[str]:
    """Return what any recorded program had that the container's own init does not have."""
    own = _namespaces(init)
    bounding = _capabilities(Path(f"/proc/{init}/status").read_text())
    found = []
    for name, text in root("session.records", private=False).items():
        if "CapBnd:" not in text:
            found.append(f"{name}: no process of the container")
            continue
        words = text.split()
        foreign = {word for word in words if re.match(r"[a-z]+:\[\d+\]\Z", word)} - own
        foreign = {word for word in foreign if not word.startswith(("pipe:", "socket:"))}
        more = _capabilities(text) & ~bounding
        paths = [word for word in words if word.startswith("/home/") or "incus" in word]
        found += [f"{name}: {each}" for each in (*foreign, *([hex(more)] if more else ()), *paths)]
        if "Seccomp:\t0" in text and "Seccomp:\t2" in Path(f"/proc/{init}/status").read_text():
            found.append(f"{name}: no filter")
    return found


def _namespaces(pid: int) -> set[str]:
    return {
        os.readlink(f"/proc/{pid}/ns/{kind}")
        for kind in ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
    }


def _capabilities(status: str) -> int:
    line = next(line for line in status.splitlines() if line.startswith("CapBnd:"))
    return int(line.split()[1], 16)


def _with_half_a_border(scene: Scene, _: Actor) -> str:
    """Run the guest's mount as one must not: in its mount namespace alone."""
    root = scene.actor(FULL)
    init = scene.init(FULL)
    with _replaced(root):
        subprocess.run(["nsenter", f"--target={init}", "--mount", "/usr/bin/mount"], check=False)
        found = _privileges(root, init)
    return expect(found, found)


@attack(
    "replaced-programs",
    "Replace sh, su, mount, login and others, and get rights of the host's when somebody enters",
    control=_with_half_a_border,
)
def _(scene: Scene, root: Actor) -> str:
    init = scene.init(root.level)
    with _replaced(root):
        root("session.end_logins", "alice", private=False)
        _enter(scene, root)
        _enter(scene, root, "--root")
        ran = root("session.recorded", private=False)
        found = _privileges(root, init)
    assert ran, "no program of the guest was run"
    return expect(found, found or f"ran as the container's own: {ran}")


def _while_entering(scene: Scene, root: Actor, call: str, seconds: float) -> list[str]:
    """Return what an attacker sees while somebody enters again and again."""
    seen: list[tuple[int, list[str]]] = []
    watcher = threading.Thread(target=lambda: seen.append(root(call, seconds, private=False)))
    watcher.start()
    while watcher.is_alive():
        with scene.alice.popen("kapsule", "enter", root.name, "--", "true", **_SILENT) as entering:
            with contextlib.suppress(subprocess.TimeoutExpired):
                entering.wait(1)
            entering.kill()
    watcher.join()
    [(newcomers, found)] = seen
    assert newcomers, "nobody came while it watched"
    return found


_SILENT = {each: subprocess.DEVNULL for each in ("stdin", "stdout", "stderr")}


@attack(
    "catch-the-helper",
    "Look into the session helper in the moment when it joins: memory, root directory, environment",
    open_at=PRIVILEGED,
)
def _(scene: Scene, root: Actor) -> str:
    found = _while_entering(scene, root, "processes.catch_newcomers", 2.0)
    return expect(found, found)


@attack(
    "hosts-interpreter",
    "Have the helper execute itself, and overwrite the host's program by way of /proc",
    open_at=PRIVILEGED,
)
def _(scene: Scene, root: Actor) -> str:
    """CVE-2019-5736. The guest's loader waits for a FIFO, so that there is time enough."""
    root("session.run_by_itself", "/bin/bash", private=False)
    try:
        found = _while_entering(scene, root, "processes.hosts_interpreter", 2.0)
    finally:
        root("session.let_run", ["/bin/bash"], private=False)
    return expect(found, found)


@attack(
    "helpers-descriptors",
    "Find a descriptor in a session that was not meant for it",
    control=lambda scene, _: _with_one_more(scene),
)
def _(scene: Scene, root: Actor) -> str:
    extra = {number for flags in ((), ("--root",)) for number in _descriptors(scene, root, flags)}
    return expect(extra - {"0", "1", "2"}, sorted(extra))


_LIST = "i=0; while [ $i -lt 64 ]; do [ -e /proc/$$/fd/$i ] && echo $i; i=$((i + 1)); done; true"


def _descriptors(scene: Scene, root: Actor, flags: tuple[str, ...]) -> list[str]:
    command = ("enter", *flags, root.name, "--", "/bin/sh", "-c", _LIST)
    return scene.alice.kapsule(*command).text.split()


def _with_one_more(scene: Scene) -> str:
    ran = subprocess.run(["/bin/sh", "-c", f"exec 7< /home/bob; {_LIST}"], capture_output=True)
    return expect(b"7" in ran.stdout.split(), ran.stdout)
