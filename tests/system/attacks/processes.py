# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks on processes of the host: those of others, and those of the same uid."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator

from tests.system.attacks.actor import Actor
from tests.system.attacks.attack import FULL, HOME, attack, expect
from tests.system.attacks.scene import Scene

SAME_NETWORK = "its network is the host's"


@attack("by-processes", "Read a file by roots, working directories and descriptors of processes")
def _(scene: Scene, root: Actor) -> str:
    texts = root("files.read_by_processes", scene.bobs_file, "secret")
    found = [text for text in texts if scene.secret in text]
    return expect(found, found or f"{len(texts)} files, none of them")


@attack("see-processes", "See the processes of the host")
def _(scene: Scene, root: Actor) -> str:
    found = [line for line in root("processes.commands") if "kapsule-daemon" in line]
    return expect(found, found)


@attack("read-environments", "Read the environment of processes of the host")
def _(scene: Scene, root: Actor) -> str:
    found = root("processes.find", scene.secret)
    return expect(found, found)


@attack("signal-process", "Send a signal to a process of the owner's on the host, as the same uid")
def _(scene: Scene, root: Actor) -> str:
    before = scene.note.read_text()
    root("processes.kill", scene.victim.pid, signal.SIGWINCH.value, uid=1000)
    return expect(_was_signalled(scene, before), "the process got it")


def _was_signalled(scene: Scene, before: str) -> bool:
    deadline = time.monotonic() + 1
    while scene.note.read_text() == before and time.monotonic() < deadline:
        time.sleep(0.02)
    return scene.note.read_text() != before


@attack("signal-everybody", "Send a signal to every process, as the owner's uid")
def _(scene: Scene, root: Actor) -> str:
    before = scene.note.read_text()
    root("processes.signal_everybody", uid=1000)
    return expect(_was_signalled(scene, before), "processes of the host got it")


@attack("trace-process", "Trace a process of the owner's on the host")
def _(scene: Scene, root: Actor) -> str:
    root("processes.trace", scene.victim.pid)
    return "traced"


@attack("read-memory", "Read the memory of a process of the owner's on the host")
def _(scene: Scene, root: Actor) -> str:
    return expect(root("processes.read_memory", scene.victim.pid), "it was read")


def _shared_namespaces(root: Actor) -> set[str]:
    found = root("processes.namespaces")
    kinds = {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in found}
    return {kind for kind, link in kinds.items() if link in found[kind]}


@attack("host-namespaces", "Find a namespace of the host that could be joined")
def _(scene: Scene, root: Actor) -> str:
    found = _shared_namespaces(root) - {"net", "user"}
    return expect(found, sorted(found))


@attack(
    "host-user-namespace",
    "Be root of the host's user namespace",
    open_at={FULL: "it has no user namespace", HOME: "it has no user namespace"},
)
def _(scene: Scene, root: Actor) -> str:
    return expect("user" in _shared_namespaces(root), "it is the host's")


@attack(
    "host-network-namespace",
    "Be in the host's network namespace",
    open_at={FULL: SAME_NETWORK, HOME: SAME_NETWORK},
)
def _(scene: Scene, root: Actor) -> str:
    return expect("net" in _shared_namespaces(root), "it is the host's")


def _with_a_leak(scene: Scene, _: Actor) -> str:
    """Have a process in a container hold a directory of the host's: what a leak would look like."""
    with joined(scene.init(FULL), "/home/bob"):
        found = scene.actor(FULL)("processes.foreign_descriptors")
        return expect(found, found)


@contextlib.contextmanager
def joined(init: int, directory: str) -> Iterator[None]:
    """Have a process in a container's namespaces that holds a directory of the host's."""
    script = "echo; exec sleep infinity"
    command = ["nsenter", f"--target={init}", "--pid", "--mount", "sh", "-c", script]
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        with subprocess.Popen(command, pass_fds=[descriptor], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"\n"
            yield
            process.kill()
            subprocess.run(["pkill", "-KILL", "-P", str(process.pid)], check=False)
    finally:
        os.close(descriptor)


@attack(
    "foreign-descriptors",
    "Find a descriptor that leads to a directory of the host's, in any process of the container",
    control=_with_a_leak,
)
def _(scene: Scene, root: Actor) -> str:
    found = root("processes.foreign_descriptors")
    return expect(found, found)
