# SPDX-License-Identifier: GPL-3.0-or-later
"""How long after its start the daemon answers, whether Incus is there or not."""

import subprocess
import time

from jeepney import DBusAddress, MessageType, Properties  # type: ignore[import-untyped]
from jeepney.io.blocking import open_dbus_connection  # type: ignore[import-untyped]
from tests.system.support.box import DAEMON, systemctl, without_incus

from benchmarks.measure import Series
from benchmarks.table import Report, Row, ratio_at_most
from kapsule import names

_ROUNDS = 9
_START = "ExecMainStartTimestampMonotonic"  # microseconds: org.freedesktop.systemd1(5)
_VERSION = Properties(
    DBusAddress(names.MANAGER_PATH, bus_name=names.BUS_NAME, interface=names.MANAGER_INTERFACE)
).get("Version")


def run() -> Report:
    """Measure."""
    with without_incus():
        without = _starts()
    what = "start of the daemon until it tells its version, without Incus / with it"
    return Report((Row(what, "ms", without, _starts(), ratio_at_most(1.2)),))


def _starts() -> Series:
    return Series(tuple(_start() for _ in range(_ROUNDS)))


def _start() -> float:
    """Have the bus start the daemon; return the milliseconds from its start to its answer."""
    systemctl("stop", DAEMON)
    systemctl("reset-failed", DAEMON)
    with open_dbus_connection("SYSTEM") as connection:
        reply = connection.send_and_get_reply(_VERSION, timeout=30)
        answered = time.monotonic()
    if reply.header.message_type is not MessageType.method_return:
        raise RuntimeError(f"Version: {reply.body}")
    show = ["systemctl", "show", "--value", f"--property={_START}", DAEMON]
    started = int(subprocess.run(show, check=True, capture_output=True).stdout) / 1_000_000
    return 1000 * (answered - started)
