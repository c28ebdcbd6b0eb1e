# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks, while others call, how another user is served and how the daemon is."""

import os
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from tests.system.fuzz.interfaces import MANAGER, MANAGER_PATH
from tests.system.fuzz.peer import Peer
from tests.system.fuzz.wire import Message
from tests.system.support.box import DAEMON, main_pid
from tests.system.support.bus import acting_as
from tests.system.support.users import User

_LONGEST = 1.0  # seconds that another user may wait, on a machine that has time
_STARVED = 5  # times what the machine takes, at that moment, for things without the daemon
_PAUSE = 0.2


@dataclass
class Health:
    """What was seen. waits: of each call the longest. slow: those that took too long."""

    calls: int = 0
    waits: dict[str, float] = field(default_factory=dict)
    controls: float = 0.0
    slow: list[str] = field(default_factory=list)
    memory: int = 0  # KiB, at the most
    descriptors: int = 0  # at the most


class Watch:
    """Calls as a user with a running container, all the time within the block."""

    def __init__(self, user: User, container: str) -> None:
        self.health = Health()
        self._pid = main_pid(DAEMON)
        self.memory_before, self.descriptors_before = _size(self._pid)
        with acting_as(user):
            self._peer, self._control = Peer(), Peer()
        self._null = os.open("/dev/null", os.O_RDWR)
        self._calls = {
            "Version": _get_version(),
            "ListContainers": Message(MANAGER_PATH, MANAGER, "ListContainers"),
            "Enter": _enter(container),
        }
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._error: BaseException | None = None

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._peer.close()
        self._control.close()
        os.close(self._null)

    def check(self) -> None:
        """Check that the user was served all the time, and the daemon stayed small."""
        if self._error:
            raise self._error
        assert self.health.calls > 0
        assert not self.health.slow, self.health
        assert self.health.memory < self.memory_before + 150_000, self.health
        assert self.health.descriptors < self.descriptors_before + 250, self.health

    def _run(self) -> None:
        try:
            while True:
                for name, message in self._calls.items():
                    self._measure(name, message)
                self._look()
                if self._stop.wait(_PAUSE):
                    return
        except BaseException as error:
            self._error = error

    def _measure(self, name: str, message: Message) -> None:
        """Make a call, and beside it what needs the machine and the bus, but not the daemon."""
        controls = [_seconds(self._do_without_the_daemon)]
        wait = _seconds(lambda: self._call(message))
        controls.append(_seconds(self._do_without_the_daemon))
        health = self.health
        health.calls += 1
        health.waits[name] = max(wait, health.waits.get(name, 0.0))
        health.controls = max(health.controls, *controls)
        if wait > _LONGEST + _STARVED * max(controls):
            health.slow.append(
                f"{name}: {wait:.2f} s, and without the daemon {max(controls):.2f} s"
            )

    def _call(self, message: Message) -> None:
        reply = self._peer.call(message, [self._null] * message.fds)
        assert not reply.error, reply

    def _do_without_the_daemon(self) -> None:
        self._control.ask_bus("GetId")
        subprocess.run(["true"], check=True)

    def _look(self) -> None:
        try:
            memory, descriptors = _size(self._pid)
        except PermissionError:  # the whole process is somebody else, to connect: acting_as()
            return
        self.health.memory = max(self.health.memory, memory)
        self.health.descriptors = max(self.health.descriptors, descriptors)


def _get_version() -> Message:
    interface = "org.freedesktop.DBus.Properties"
    return Message(MANAGER_PATH, interface, "Get", "ss", (MANAGER, "Version"))


def _enter(container: str) -> Message:
    body: tuple[object, ...] = (container, ["true"], "/", {}, [0, 1, 2], {})
    return Message(MANAGER_PATH, MANAGER, "Enter", "sassa{ss}aha{sv}", body, fds=3)


def _size(pid: int) -> tuple[int, int]:
    """Return a process's memory in KiB, and how many descriptors it has."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    memory = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return memory, len(os.listdir(f"/proc/{pid}/fd"))


def _seconds(act: Callable[[], object]) -> float:
    begin = time.monotonic()
    act()
    return time.monotonic() - begin
