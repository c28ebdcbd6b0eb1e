# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress: bars on a terminal, plain lines everywhere else."""

import contextlib
import os
import pty
import re
import subprocess
import sys

import pytest

from kapsule.cli.progress import Display
from kapsule.client.operation import (
    Event,
    Message,
    ProgressCompleted,
    ProgressStarted,
    ProgressText,
    ProgressUpdate,
)
from kapsule.testing.fake_daemon import FakeDaemon, Said, Script

EVENTS: tuple[Event, ...] = (
    Message(0, "Image: Debian", 1),
    ProgressStarted("7", "Downloading", 100, 1),
    ProgressUpdate("7", 50, 1.5),
    Message(4, "quiet", 2),
    ProgressCompleted("7", True, "Downloaded"),
    ProgressStarted("8", "Waiting", -1, 1),
    ProgressText("8", "for init"),
    ProgressCompleted("8", False, "It hangs"),
)
SIGNALS = (
    Said("ProgressStarted", "ssii", ["7", "Downloading [x]", 100, 1]),
    Said("ProgressUpdate", "sid", ["7", 50, 1.5]),
    Said("ProgressStarted", "ssii", ["8", "Waiting", -1, 1]),
    Said("ProgressTextUpdate", "ss", ["8", "\x1b[2Jfor init"]),
    Said("Message", "isi", [2, "no GPU", 1]),
    Said("ProgressUpdate", "sid", ["unknown", 1, 0.0]),
    Said("ProgressCompleted", "sbs", ["8", True, ""]),
    Said("ProgressCompleted", "sbs", ["7", True, "Downloaded"]),
)


def test_without_a_terminal_it_is_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """A log gets a line when something begins and what is left to say at its end."""
    with Display() as display:
        for event in EVENTS:
            display.show(event)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "  Image: Debian",
        "  Downloading...",
        "    quiet",
        "  ✓ Downloaded",
        "  Waiting...",
        "  Error: It hangs",
    ]


def _on_terminal(environment: dict[str, str]) -> tuple[int, str]:
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "kapsule.cli", "start", "dev"]
    with subprocess.Popen(command, stderr=slave, env=os.environ | environment) as running:
        os.close(slave)
        shown = b""
        with contextlib.suppress(OSError):  # how a pty says that its other end is closed (pty(7))
            while chunk := os.read(master, 4096):
                shown += chunk
        os.close(master)
    return running.returncode, shown.decode()


def test_on_a_terminal_bars_come_and_go(daemon: FakeDaemon) -> None:
    """Lines stay, bars are taken away, and the cursor is shown again."""
    daemon.run("StartContainer", Script(SIGNALS))
    status, shown = _on_terminal({"TERM": "xterm", "NO_COLOR": ""})
    assert status == 0
    assert "Downloading [x]" in shown
    assert "\\x1b[2Jfor init" in shown
    assert "Downloaded" in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert "Warning: no GPU" in plain
    assert plain.rstrip().endswith("✓ Container dev is running")


def test_without_colour_there_is_none(daemon: FakeDaemon) -> None:
    """NO_COLOR holds for bars too."""
    daemon.run("StartContainer", Script(SIGNALS))
    _, shown = _on_terminal({"TERM": "xterm", "NO_COLOR": "1"})
    assert not re.search(r"\x1b\[(3[0-9]|9[0-9]|38;)[0-9;]*m", shown)


def test_a_failure_takes_the_bars_away(daemon: FakeDaemon) -> None:
    """The error stands alone, and the cursor is back."""
    daemon.run("StartContainer", Script(SIGNALS[:2], "failed", "it broke"))
    status, shown = _on_terminal({"TERM": "xterm", "NO_COLOR": "1"})
    assert status == 1
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")
    assert shown.endswith("Error: it broke\r\n")
