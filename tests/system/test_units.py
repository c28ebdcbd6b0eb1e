# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd keeps from our services, and what it says of them."""

import json
from pathlib import Path

import pytest

from tests.system.support.users import User

_UNITS = Path("/usr/lib/systemd/system")
_DAEMON = "kapsule-daemon.service"
_EXPOSURE = 5.4  # of 10, by systemd-analyze(1); what is less is better


@pytest.mark.main
def test_the_daemon_is_exposed_no_more_than_it_was(root: User) -> None:
    """Who takes a directive away has to say so here."""
    words = ("systemd-analyze", "security", "--no-pager", f"--threshold={_EXPOSURE * 10:.0f}")
    result = root.run(*words, _DAEMON)
    assert result.code == 0, result.text


@pytest.mark.main
def test_what_is_not_set_has_its_reason(root: User) -> None:
    """Each directive that systemd misses is in the unit's comments."""
    words = ("systemd-analyze", "security", "--no-pager", "--json=short", _DAEMON)
    missing = {each["name"] for each in json.loads(root.run(*words).text) if each["set"] is False}
    assert missing
    comments = "\n".join(
        line for line in (_UNITS / _DAEMON).read_text().splitlines() if line.startswith("#")
    )
    for directive in {name for each in missing for name in each.split("=")[0].split("/")}:
        assert directive in comments, directive


@pytest.mark.main
@pytest.mark.parametrize("unit", [_DAEMON, "kapsule-session.service"])
def test_the_service_manager_takes_every_directive(root: User, unit: str) -> None:
    """What it does not know, it would pass over and tell the journal."""
    lines = (_UNITS / unit).read_text().splitlines()
    directives = [line.partition("=")[0] for line in lines if "=" in line and line[0].isupper()]
    shown = root.run("systemctl", "show", unit).text
    for directive in ("DevicePolicy", "MemoryMax", "UMask", "SystemCallFilter"):
        if directive in directives:
            assert f"\n{directive}=" in shown
    log = root.run(
        "journalctl", "--boot", "--output=cat", "--grep=Unknown key|Failed to parse"
    ).text
    assert "kapsule" not in log
