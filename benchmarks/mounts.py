# SPDX-License-Identifier: GPL-3.0-or-later
"""Eight sockets of the host put in place at once, against a program in the guest for each."""

import os
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.system.support.users import User

from benchmarks.measure import Contender, interleave, stopwatch
from benchmarks.stage import ALICE, container, incus
from benchmarks.table import Report, Row, ratio_at_most
from kapsule.session import sharing
from kapsule.session.shares import Share
from kapsule.session.sharing import Plan
from kapsule.session.sources import Caller

_SOCKETS = 8
_ROUNDS = 15
_RUNTIME = "/run/user/1000"
_GUEST = "/run/bench"


def run() -> Report:
    """Measure."""
    with container("bench") as name, _sockets() as sources:
        init = int(incus("query", f"/1.0/instances/{name}/state").split('"pid":')[1].split(",")[0])
        batch = _Batch(name, init, sources)
        incus("exec", name, "--", "sh", "-c", _PREPARE)
        one = _one_each(name, sources)
        figures = interleave([batch.cold, batch.warm, one], rounds=_ROUNDS)
        enter = stopwatch(ALICE, "kapsule", "enter", name, "--", "true", env=_desktop(sources))
        bare = stopwatch(ALICE, "incus", "exec", name, "--", "su", "-l", "alice", "-c", "true")
        figures |= interleave(
            [lambda: {"enter": enter()}, lambda: {"exec": bare()}], rounds=_ROUNDS
        )
    budget = ratio_at_most(1 / 20)
    return Report(
        (
            Row("8 sockets, cold / incus exec each", "ms", figures["cold"], figures["one"], budget),
            Row("8 sockets, warm / incus exec each", "ms", figures["warm"], figures["one"], budget),
            Row(
                "warm enter with sockets / incus exec su -l",
                "ms",
                figures["enter"],
                figures["exec"],
                ratio_at_most(0.6),
            ),
        )
    )


_PREPARE = f"mkdir -p {_GUEST}; for i in $(seq 0 {_SOCKETS - 1}); do : > {_GUEST}/$i; done"


class _Batch:
    """All sockets by the session helper's own code: contenders of benchmarks.measure."""

    def __init__(self, name: str, init: int, sources: list[str]) -> None:
        self._name = name
        self._init = init
        self._pidfd = os.pidfd_open(init)
        self._shares = tuple(
            Share(source, f"{_RUNTIME}/bench-{index}", named=True)
            for index, source in enumerate(sources)
        )
        account = ALICE.account
        self._caller = Caller(account.pw_uid, account.pw_gid, (account.pw_gid,))

    def cold(self) -> Mapping[str, float]:
        """Mount all of them, after taking them away."""
        self._share()
        targets = [share.target for share in self._shares]
        incus("exec", self._name, "--", "umount", *targets)
        return {"cold": self._share()}

    def warm(self) -> Mapping[str, float]:
        """Find that all of them are in place."""
        return {"warm": self._share()}

    def _share(self) -> float:
        started = time.perf_counter()
        plan = Plan(self._caller, self._shares, owned=(_RUNTIME,))
        shared = sharing.share(plan, self._init, self._pidfd)
        elapsed = 1000 * (time.perf_counter() - started)
        if shared.notes:
            raise RuntimeError(shared.notes[0])
        return elapsed


def _one_each(name: str, sources: list[str]) -> Contender:
    runs = [
        stopwatch(
            User("root"),
            *("incus", "exec", name, "--", "mount", "--bind"),
            *(f"/.kapsule/host{source}", f"{_GUEST}/{index}"),
        )
        for index, source in enumerate(sources)
    ]
    clear = ("exec", name, "--", "umount", *(f"{_GUEST}/{index}" for index in range(_SOCKETS)))

    def mount_all() -> Mapping[str, float]:
        elapsed = sum(run() for run in runs)
        incus(*clear)
        return {"one": elapsed}

    return mount_all


def _desktop(sources: list[str]) -> dict[str, str]:
    """Return an environment that names five of the sockets; three more have their usual place."""
    names = ("WAYLAND_DISPLAY", "SSH_AUTH_SOCK", "PIPEWIRE_REMOTE")
    named = dict(zip(names, sources, strict=False))
    named["PULSE_SERVER"] = f"unix:{sources[3]}"
    named["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={sources[4]}"
    return ALICE.environment({"TERM": "xterm-256color", **named})


@contextmanager
def _sockets() -> Iterator[list[str]]:
    """Sockets of alice's that listen, outside of any file system that the guest sees by itself."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.chown(folder, ALICE.account.pw_uid, -1)
        paths = [str(folder / f"socket-{index}") for index in range(_SOCKETS)]
        for path in paths:
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(path)
            listener.listen()
            os.chown(path, ALICE.account.pw_uid, ALICE.account.pw_gid)
        yield paths
