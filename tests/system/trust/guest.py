# SPDX-License-Identifier: GPL-3.0-or-later
"""The inside of an isolated container, as its root."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.system.support.users import in_container, incus

_PATIENCE = 30.0


def sh(name: str, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script as the container's root."""
    return in_container(name, "bash", "-c", script)


def has_booted(name: str) -> None:
    """Wait until its init takes calls."""
    _until(
        lambda: sh(name, "systemctl is-system-running").stdout.strip() in ("running", "degraded")
    )


def address_of(name: str) -> str:
    """Return the address that it has got from the bridge; wait for it."""
    found: list[str] = []

    def has_one() -> bool:
        found.append(_address(name))
        return bool(found[-1])

    _until(has_one)
    return found[-1]


def _address(name: str) -> str:
    shown = sh(name, "ip -json -4 address show dev eth0 scope global").stdout
    found = [each["local"] for link in json.loads(shown or "[]") for each in link["addr_info"]]
    return found[0] if found else ""


def id_map(name: str) -> list[tuple[int, int, int]]:
    """Return the rows of its uid_map: first inside, first on the host, count."""
    pid = json.loads(incus("query", f"/1.0/instances/{name}/state"))["pid"]
    text = Path(f"/proc/{pid}/uid_map").read_text()
    return [(int(a), int(b), int(c)) for a, b, c in map(str.split, text.splitlines())]


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)
