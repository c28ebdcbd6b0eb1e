# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast bytes come through a terminal and through pipes.

The clock runs from the first byte to the end, so that it measures the way and not the start.
"""

import os
import pty
import subprocess
import time
import tty
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.measure import Contender, interleave
from benchmarks.stage import ALICE, container, kapsule
from benchmarks.table import Report, Row, ratio_at_least

_ROUNDS = 5
_WARM_UP = 1
_CHUNK = 1024 * 1024
_LINE = "0123456789" * 8
_TERMINAL_BYTES = 100_000_000
_TERMINAL_FILE = "/var/tmp/lines"
_PIPE_ROUNDS = 11
_GIBIBYTE = 1024  # mebibytes
_LESS = 128


def run() -> Report:
    """Measure."""
    with container("bench") as name:
        return Report((_terminal(name), *_pipes(name)))


def _terminal(name: str) -> Row:
    write = f"yes {_LINE} | head -c {_TERMINAL_BYTES} > {_TERMINAL_FILE}"
    kapsule("enter", name, "--", "sh", "-c", write)
    cat = ("--", "cat", _TERMINAL_FILE)
    figures = interleave(
        [
            _on_terminal("kapsule", "kapsule", "enter", name, *cat),
            _on_terminal("incus", "incus", "exec", "-t", name, *cat),
        ],
        rounds=_ROUNDS,
        warm_up=_WARM_UP,
    )
    what = "terminal, 100 MB / incus exec -t"
    return Row(what, "MB/s", figures["kapsule"], figures["incus"], ratio_at_least(0.8))


def _pipes(name: str) -> tuple[Row, Row]:
    ours = ("kapsule", "enter", name, "--", "cat")
    theirs = ("incus", "exec", "-T", name, "--", "cat")
    bare = interleave(
        [
            _through_pipes("kapsule", _GIBIBYTE, *ours),
            _through_pipes("bare", _GIBIBYTE, "cat"),
        ],
        rounds=_PIPE_ROUNDS,
    )
    incus = interleave(
        [
            _through_pipes("kapsule", _LESS, *ours),
            _through_pipes("incus", _LESS, *theirs),
        ],
        rounds=_ROUNDS,
        warm_up=_WARM_UP,
    )
    return (
        Row("pipes, 1 GiB / bare cat", "MB/s", bare["kapsule"], bare["bare"], ratio_at_least(0.9)),
        Row("pipes, 128 MiB / incus exec -T", "MB/s", incus["kapsule"], incus["incus"]),
    )


def _on_terminal(name: str, *command: str) -> Contender:
    """Return a contender that reads what alice's command writes to a terminal, in MB/s."""
    settings = _settings({"TERM": "xterm-256color"})

    def measure() -> dict[str, float]:
        master, slave = pty.openpty()
        tty.setraw(slave)
        os.fchown(slave, ALICE.account.pw_uid, -1)
        process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            **settings,
        )
        os.close(slave)
        rate = _rate(master, at_least=_TERMINAL_BYTES)
        os.close(master)
        _check(process, command)
        return {name: rate}

    return measure


def _through_pipes(name: str, mebibytes: int, *command: str) -> Contender:
    """Return a contender that sends zeros through alice's command, in MB/s."""
    settings = _settings({})

    def measure() -> dict[str, float]:
        source = subprocess.Popen(
            ["dd", "if=/dev/zero", "bs=1M", f"count={mebibytes}", "status=none"],
            stdout=subprocess.PIPE,
        )
        process = subprocess.Popen(command, stdin=source.stdout, stdout=subprocess.PIPE, **settings)
        assert source.stdout is not None
        assert process.stdout is not None
        source.stdout.close()
        with process.stdout as output:
            rate = _rate(output.fileno(), at_least=mebibytes * 1024**2)
        _check(process, command)
        _check(source, ["dd"])
        return {name: rate}

    return measure


def _settings(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the arguments by which subprocess runs a program as alice, at her home."""
    return {
        "env": ALICE.environment(environment),
        "cwd": ALICE.account.pw_dir,
        **ALICE.credentials(),
    }


def _rate(descriptor: int, at_least: int) -> float:
    """Read to the end and return the MB/s. Raises RuntimeError when bytes are missing."""
    buffer = bytearray(_CHUNK)
    first = os.readv(descriptor, [buffer])
    started = time.perf_counter()
    count = 0
    while size := _read(descriptor, buffer):
        count += size
    elapsed = time.perf_counter() - started
    if first + count < at_least:
        raise RuntimeError(f"only {first + count} bytes of {at_least} came through")
    return count / elapsed / 1e6


def _read(descriptor: int, buffer: bytearray) -> int:
    try:
        return os.readv(descriptor, [buffer])
    except OSError:  # the end of a terminal: pty(7)
        return 0


def _check(process: "subprocess.Popen[bytes]", command: Sequence[str]) -> None:
    status = process.wait()
    if status != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {status}")
