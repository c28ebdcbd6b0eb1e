# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon's part of an enter without the bus: its own code in this process, with a clock."""

import asyncio
import os
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.stage import ALICE
from kapsule.containers.backend import Backend
from kapsule.containers.guest import Guests, Reply
from kapsule.containers.registry import Registry
from kapsule.enter import EnterRequest, enter_container
from kapsule.host.users import HostUser, look_up
from kapsule.incus.client import IncusClient
from kapsule.testing.recording_progress import RecordingProgress


class _TimedGuests(Guests):
    """Knows how long the session helper took for its last answer, in milliseconds."""

    took = 0.0

    async def call(self, kind: str, message: dict[str, Any], descriptors: Sequence[int]) -> Reply:
        started = time.perf_counter()
        try:
            return await super().call(kind, message, descriptors)
        finally:
            self.took = 1000 * (time.perf_counter() - started)


class DaemonSide:
    """Enters a container of alice's by the daemon's own functions, as root."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._runner = asyncio.Runner()
        self._guests, self._backend, self._alice = self._runner.run(self._prepare())

    def enter(self) -> Mapping[str, float]:
        """Run `true` in the container: a contender of benchmarks.measure."""
        return self._runner.run(self._enter())

    def close(self) -> None:
        """Let go of Incus."""
        self._runner.run(self._backend.incus.close())
        self._runner.close()

    async def _prepare(self) -> tuple[_TimedGuests, Backend, HostUser]:
        incus = IncusClient()
        guests, registry = _TimedGuests(incus), Registry(incus)
        # Only this container: a second follower of the events would compete with the daemon.
        await registry.refresh(self._name)
        return guests, Backend(incus, registry, guests), await look_up(ALICE.account.pw_uid)

    async def _enter(self) -> Mapping[str, float]:
        null = os.open(os.devnull, os.O_RDWR)
        request = EnterRequest(
            name=self._name,
            command=("true",),
            cwd=self._alice.home,
            environment={"TERM": "xterm-256color"},
            stdio=(null, null, null),
            caller=self._alice,
        )
        started = time.perf_counter()
        reply = await enter_container(self._backend, request, RecordingProgress())
        elapsed = 1000 * (time.perf_counter() - started)
        with socket.socket(fileno=reply.control) as control:
            control.setblocking(True)
            control.recv(64)  # its end, so that the next round begins in silence
        os.close(null)
        return {"steps": elapsed - self._guests.took, "helper": self._guests.took}
