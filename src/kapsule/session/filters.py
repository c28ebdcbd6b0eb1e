# SPDX-License-Identifier: GPL-3.0-or-later
"""The system call filters of a container's init, which Incus gave it and a session shall have.

Only a tracer can read them, and a process has one at a time. So they are read once in each run of
a container, and noted.
"""

import logging
import os
import select
import signal

from kapsule.errors import GuestError
from kapsule.linux import seccomp
from kapsule.session import proc, runs

_NOTE = "filters"
_LOCK = "tracing"
_PATIENCE = 5.0  # seconds; init can be where not even a tracer stops it
_DONE = b"."

log = logging.getLogger("kapsule-session")


def of(init: int) -> tuple[bytes, ...]:
    """Return the filters of a container's init, the first one first.

    There are none where the host lets nobody read them: a kernel without
    CONFIG_CHECKPOINT_RESTORE, kernel.yama.ptrace_scope=3. To get in matters more then.
    Raises GuestError where it is the guest that keeps us from it, OSError.
    """
    try:
        return _recall(init)
    except FileNotFoundError:
        pass
    with runs.locked(init, _LOCK):  # of this run: an init that hangs holds up no other container
        return _find_out(init)


def _recall(init: int) -> tuple[bytes, ...]:
    return tuple(map(bytes.fromhex, runs.read(init, _NOTE).split()))


def _find_out(init: int) -> tuple[bytes, ...]:
    """Read the filters and note them, unless somebody else did before the lock was ours."""
    try:
        return _recall(init)
    except FileNotFoundError:
        runs.write(init, _NOTE, _read(init) if _has_filters(init) else "")
    return _recall(init)


def _has_filters(init: int) -> bool:
    """Say whether it has any; a kernel without seccomp(2) does not tell."""
    return proc.words(f"/proc/{init}/status", "Seccomp") not in ([], ["0"])


def _read(init: int) -> str:
    """Return the filters in hexadecimal."""
    text = _read_in_a_process_of_its_own(init)
    if text is not None:
        return text
    if proc.words(f"/proc/{init}/status", "TracerPid") != ["0"]:
        raise GuestError("The container's init is being traced", hint="See TracerPid in its /proc.")
    log.warning("sessions go without the system call filters of process %s", init)
    return ""


def _read_in_a_process_of_its_own(init: int) -> str | None:
    """Return the filters in hexadecimal, None where that fails. The process's end frees init."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        _be_the_tracer(init, theirs)
    os.close(theirs)
    text = b""
    try:
        while select.select([ours], [], [], _PATIENCE)[0]:
            data = os.read(ours, 65536)
            if not data:
                return text.removesuffix(_DONE).decode() if text.endswith(_DONE) else None
            text += data
    finally:
        os.close(ours)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    raise GuestError("The container's init hangs", hint="Restart the container: kapsule restart")


def _be_the_tracer(init: int, pipe: int) -> None:
    try:
        filters = seccomp.read_filters(init)
        with open(pipe, "wb") as file:
            file.write(" ".join(each.hex() for each in filters).encode() + _DONE)
    finally:
        os._exit(0)
