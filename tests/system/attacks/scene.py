# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be protected: secrets, processes and services of the host, and a container a level."""

import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.system.attacks import actor
from tests.system.attacks.attack import LEVELS
from tests.system.attacks.listeners import Listeners, listening
from tests.system.support.traces import until
from tests.system.support.users import User, incus

DISK = Path("/home/alice/disk")  # a file system of its own, of which only two folders are shared
SHARED = DISK / "shared"
READING = DISK / "reading"
IMAGE = "local:debian"

# A process of alice's that notes what signals it gets, and has a secret in its memory.
_VICTIM = """
import signal, sys, time
secret = sys.stdin.readline().strip().encode()
note = open(sys.argv[1], "w", buffering=1)
signal.signal(signal.SIGWINCH, lambda *_: note.write("winch\\n"))
note.write("ready\\n")
while True:
    time.sleep(1)
"""


@dataclass(slots=True)
class Scene:
    """The host that is attacked.

    secret: what is in the files and processes that nobody may read. victim: a process of alice's.
    witness: a process of root's whose working directory and a descriptor lead to bob's files.
    addresses: on the bridge, by level.
    """

    secret: str
    victim: "subprocess.Popen[bytes]"
    witness: "subprocess.Popen[bytes]"
    listeners: Listeners
    alice: User = field(default_factory=lambda: User("alice"))
    bob: User = field(default_factory=lambda: User("bob"))
    actors: dict[str, actor.Actor] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)

    bobs_file = "/home/bob/secret"
    unshared_file = str(DISK / "private/secret")
    shared = str(SHARED)
    reading = str(READING)
    note = Path("/home/alice/victim.log")

    def name(self, level: str) -> str:
        """Return the name of the container of a level."""
        return f"attacked-{level}"

    def actor(self, level: str) -> actor.Actor:
        """Return root of a level's container; "" is the host's root."""
        if level not in self.actors:
            if level:
                self.actors[level] = actor.in_container(self.alice, self.name(level), level)
            else:
                self.actors[level] = actor.on_host()
        return self.actors[level]

    def init(self, level: str) -> int:
        """Return the process id, on the host, of a container's init; 0 while it restarts."""
        state = incus("query", f"/1.0/instances/{self.name(level)}/state", check=False)
        return int(json.loads(state)["pid"]) if state else 0

    def wait_for_restart(self, level: str, before: int) -> None:
        """Wait until a container has another init than before, and can be entered."""
        self.forget_actor(level)
        until(lambda: self.init(level) not in (0, before))
        until(
            lambda: self.alice.kapsule("enter", "--root", self.name(level), "--", "true").code == 0
        )

    def forget_actor(self, level: str) -> None:
        """Have the next one be a new one: its container was restarted, or it was killed."""
        gone = self.actors.pop(level, None)
        if gone:
            with contextlib.suppress(OSError):
                gone.close()


@contextlib.contextmanager
def scene() -> Iterator[Scene]:
    """Set the scene, and clear it away at the end."""
    secret = f"secret-{secrets.token_hex(16)}"
    with contextlib.ExitStack() as stack:
        stack.enter_context(_files(secret))
        victim = stack.enter_context(_victim(secret))
        witness = stack.enter_context(_witness(secret))
        listeners = stack.enter_context(listening())
        result = Scene(secret, victim, witness, listeners)
        stack.callback(_remove_containers, result)
        for level in LEVELS:
            _make_container(result, level)
        yield result


def _make_container(scene: Scene, level: str) -> None:
    name = scene.name(level)
    shares = [f"--custom-mounts={SHARED}", f"--custom-mounts={READING}:ro"]
    words = ("create", name, "--image", IMAGE, "--trust", level, *shares)
    made = scene.alice.kapsule(*words)
    assert made.code == 0, made.error
    actor.equip(name)
    entered = scene.alice.kapsule("enter", name, "--", "true")
    assert entered.code == 0, entered.error


def _remove_containers(scene: Scene) -> None:
    for level in list(scene.actors):
        scene.forget_actor(level)
    for level in LEVELS:
        incus("delete", "--force", scene.name(level), check=False)


@contextlib.contextmanager
def _files(secret: str) -> Iterator[None]:
    home = DISK.parent
    mode = home.stat().st_mode & 0o7777
    home.chmod(0o755)  # other users shall be able to try what is planted there
    DISK.mkdir(exist_ok=True)
    options = "mode=755,uid=1000,gid=1000,size=64m"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "disk", DISK], check=True)
    for folder in (SHARED, READING, DISK / "private"):
        folder.mkdir()
        os.chown(folder, 1000, 1000)
    (READING / "book").write_text("as it was\n")
    os.chown(READING / "book", 1000, 1000)
    files = {Path(Scene.bobs_file): 1001, Path(Scene.unshared_file): 1000}
    for file, uid in files.items():
        file.write_text(secret + "\n")
        file.chmod(0o600)
        os.chown(file, uid, uid)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", DISK], check=True)
        DISK.rmdir()
        home.chmod(mode)
        Path(Scene.bobs_file).unlink()


@contextlib.contextmanager
def _victim(secret: str) -> Iterator["subprocess.Popen[bytes]"]:
    alice = User("alice")
    command = (sys.executable, "-c", _VICTIM, str(Scene.note))
    env = {"KAPSULE_ATTACK": secret}
    with alice.popen(*command, stdin=subprocess.PIPE, env=env) as process:
        assert process.stdin
        process.stdin.write(secret.encode() + b"\n")
        process.stdin.flush()
        while not Scene.note.exists() or not Scene.note.read_text():
            time.sleep(0.02)
        try:
            yield process
        finally:
            process.kill()
            Scene.note.unlink()


@contextlib.contextmanager
def _witness(secret: str) -> Iterator["subprocess.Popen[bytes]"]:
    with open(Scene.bobs_file) as file:
        process = subprocess.Popen(
            ["sleep", "infinity"], cwd="/home/bob", stdin=file, env={"KAPSULE_ATTACK": secret}
        )
    with process:
        try:
            yield process
        finally:
            process.kill()
