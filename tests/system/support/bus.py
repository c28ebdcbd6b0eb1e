# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon on the real bus, as a client of any user sees it."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from jeepney import MatchRule, message_bus  # type: ignore[import-untyped]
from jeepney.io.blocking import (  # type: ignore[import-untyped]
    Proxy,
    open_dbus_connection,
)

from kapsule import names
from kapsule.client.bus import Bus
from kapsule.client.operation import Operation
from tests.system.support.users import User

_PATIENCE = 30.0


@contextlib.contextmanager
def acting_as(user: User) -> Iterator[None]:
    """Have the connections that are made in the block belong to the user: unix(7), SO_PEERCRED."""
    uid = user.account.pw_uid
    os.setresuid(uid, uid, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def connect(user: User) -> Bus:
    """Return a connection of the user's to the daemon."""
    with acting_as(user):
        return Bus()


def carry_out(bus: Bus, member: str, signature: str, *body: Any) -> None:
    """Start an operation and follow it to its end. Raises what it ends with."""
    for _ in Operation(bus, lambda: str(bus.call(member, signature, body)[0])):
        pass


def enter(
    bus: Bus,
    container: str,
    command: Sequence[str] = ("true",),
    cwd: str = "/",
    environment: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
    stdio: int = 3,
) -> None:
    """Call Enter, and let go of the session. stdio: how many descriptors go with it."""
    with open(os.devnull, "r+b") as null:
        given = [null.fileno()] * stdio
        body = (container, list(command), cwd, dict(environment or {}), given, dict(options or {}))
        control, terminal, *_ = bus.call("Enter", "sassa{ss}aha{sv}", body)
    for each in (control, *terminal):
        each.close()


def status(name: str) -> str | None:
    """Return how the daemon lists a container, or None where it does not."""
    with connect(User("root")) as bus:
        return next((row.status for row in bus.list_containers() if row.name == name), None)


class Changes:
    """Listens for ContainersChanged."""

    def __init__(self) -> None:
        self._connection = open_dbus_connection("SYSTEM")
        rule = MatchRule(
            type="signal", interface=names.MANAGER_INTERFACE, member="ContainersChanged"
        )
        Proxy(message_bus, self._connection).AddMatch(rule)

    def __enter__(self) -> "Changes":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def expect(self, condition: Callable[[], bool]) -> None:
        """Wait for a signal after which the condition holds."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            self._connection.receive(timeout=max(0.0, deadline - time.monotonic()))
            if condition():
                return
