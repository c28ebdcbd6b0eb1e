# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot a root file system as a whole host with systemd-nspawn, and run commands in it.

systemd-nspawn is taken from the root file system itself, so nothing of systemd has to be installed
on the machine. The box gets no network but its own loopback, and a cgroup of its own.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from . import mounts

BOOT_SECONDS = 120
STOP_SECONDS = 90
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# systemd's ENVIRONMENT.md: cgroup v2 only inside; may set network sysctls; no syscall filter.
NSPAWN_ENVIRONMENT = {
    "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
    "SYSTEMD_SECCOMP": "0",
}
NSPAWN_OPTIONS = (
    *("--boot", "--quiet", "--settings=no", "--register=no", "--keep-unit", "--notify-ready=yes"),
    *("--private-network", "--resolv-conf=off", "--timezone=off", "--link-journal=no"),
    *("--capability=all", "--console=read-only", "--hostname=box"),
)


class Box:
    """A running box: ``leader`` is the process id, on this machine, of its init."""

    def __init__(self, process: subprocess.Popen[bytes], leader: int) -> None:
        self._process = process
        self.leader = leader

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[bytes]:
        """Run a command in the box, outside of its service manager; no input, output passed on."""
        return subprocess.run(
            self._inside(command), check=check, stdin=subprocess.DEVNULL, env={"PATH": PATH}
        )

    def run_unit(
        self, options: Sequence[str], environment: Mapping[str, str], command: Sequence[str]
    ) -> int:
        """Run a command as a transient service of the box and return its exit status.

        ``options`` go to systemd-run(1), which hands our own standard streams to the command.
        """
        settings = [f"--setenv={key}={value}" for key, value in environment.items()]
        words = [word.replace("$", "$$") for word in command]  # systemd.service(5): $$ is one $
        unit = ["systemd-run", "--quiet", "--collect", "--wait", *options, *settings, "--", *words]
        return subprocess.run(self._inside(unit), env={"PATH": PATH}).returncode

    def power_off(self) -> None:
        """Shut the box down cleanly; systemd-nspawn(1) does so on SIGTERM."""
        self._process.terminate()
        self._process.wait(STOP_SECONDS)

    def _inside(self, command: Sequence[str]) -> list[str]:
        return ["nsenter", f"--target={self.leader}", "--all", "--", *command]


@contextmanager
def booted(root: Path, scratch: Path, group: Path, binds: Sequence[str] = ()) -> Iterator[Box]:
    """Boot ``root`` and wait until its boot is complete; what is left at the end is killed.

    ``scratch`` is a folder in memory for what the box needs outside of itself, ``group`` its
    cgroup, and ``binds`` are options of systemd-nspawn. It must run in `isolation`, which does the
    killing. Raises SystemExit, after the console's last lines, when the boot fails.
    """
    console = scratch / "console.log"
    _hide_state_folder()
    with _notify_socket(scratch / "notify") as notify:
        options = [f"--directory={root}", f"--machine={group.name}", *binds]
        environment = {**NSPAWN_ENVIRONMENT, "NOTIFY_SOCKET": str(scratch / "notify")}
        with open(console, "wb") as log:
            process = subprocess.Popen(
                _grouped(group, [*_nspawn(root), *NSPAWN_OPTIONS, *options]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": PATH, **environment},
                start_new_session=True,
            )
        leader = _wait_ready(process, notify, console)
    # The socket is gone now: systemd-nspawn would wait for ever for somebody to read what systemd
    # says at each reload, and the box's systemd for systemd-nspawn.
    yield Box(process, leader)


def _nspawn(root: Path) -> list[str]:
    """Return the command that runs the root's own systemd-nspawn with the root's own libraries."""
    loader = next(root.glob("usr/lib/*-linux-gnu/ld-linux*.so.*"))
    libraries = f"{loader.parent}:{loader.parent}/systemd"
    options = ["--inhibit-cache", "--library-path", libraries]  # ld.so(8)
    return [str(loader), *options, f"{root}/usr/bin/systemd-nspawn"]


def _grouped(group: Path, command: Sequence[str]) -> list[str]:
    """Return the command that enters the cgroup and then runs ``command``."""
    return ["sh", "-c", 'echo 0 > "$0" && exec "$@"', str(group / "cgroup.procs"), *command]


def _hide_state_folder() -> None:
    """Keep what systemd-nspawn writes below /run out of the machine's own /run."""
    state = Path("/run/systemd/nspawn")
    state.mkdir(parents=True, exist_ok=True)
    mounts.mount("-t", "tmpfs", "-o", "mode=755", "kapsule-box", state)


@contextmanager
def _notify_socket(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(str(path))
        yield notify
    path.unlink()


def _wait_ready(process: subprocess.Popen[bytes], notify: socket.socket, console: Path) -> int:
    """Return the process id of the box's init once its boot is complete (sd_notify(3))."""
    deadline = time.monotonic() + BOOT_SECONDS
    leader = 0
    while time.monotonic() < deadline and process.poll() is None:
        if not select.select([notify], [], [], 0.5)[0]:
            continue
        for line in notify.recv(4096).decode().splitlines():
            key, _, value = line.partition("=")
            if key == "X_NSPAWN_LEADER_PID":
                leader = int(value)
            elif key == "READY" and leader:
                return leader
    sys.stderr.write("".join(console.read_text(errors="replace").splitlines(True)[-40:]))
    raise SystemExit("box: the boot failed; above are the last lines of its console")
