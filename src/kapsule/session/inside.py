# SPDX-License-Identifier: GPL-3.0-or-later
"""Fork a process that works inside a container and reports to its parent on the host."""

import errno
import logging
import os
import socket
from collections.abc import Callable
from typing import NoReturn

from kapsule.errors import GuestError, InternalError, KapsuleError
from kapsule.linux import syscalls
from kapsule.session import border, protocol

log = logging.getLogger(__name__)

Work = Callable[[socket.socket], None]


def fork_inside(line: border.Border, pidfd: int, work: Work) -> tuple[int, socket.socket]:
    """Fork, cross the border, and do work there with a socket to the parent.

    pidfd: the container's init. work: runs as the container's root and may execute a program; the
    socket closes itself then. What it raises arrives as an error message.
    Returns the child's pid on the host and the parent's end of the socket.
    Raises ProcessLookupError when the container has stopped, OSError.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        border.join_pid_namespace(line, pidfd)
        child, line = _fork(line)
    except OSError as error:
        if border.is_alive(pidfd):
            raise
        raise ProcessLookupError("The container has stopped") from error
    if child == 0:
        ours.close()
        _run(line, pidfd, work, theirs)
    theirs.close()
    return child, ours


def error_message(error: KapsuleError) -> protocol.Message:
    """Return the message that stands for an error."""
    return {"error": error.dbus_name, "text": error.to_text()}


def _fork(line: border.Border) -> tuple[int, border.Border]:
    """Fork into the container's cgroup where the kernel lets us; return what is left to cross."""
    if line.cgroup:
        cgroup = os.open(line.cgroup, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            return syscalls.fork_into(cgroup), line._replace(cgroup="")
        except OSError as error:
            log.debug("cannot fork into %s: %s", line.cgroup, error)
        finally:
            os.close(cgroup)
    return os.fork(), line


def _run(line: border.Border, pidfd: int, work: Work, channel: socket.socket) -> NoReturn:
    """Be the child. Never returns to the caller's code, whatever happens."""
    try:
        protocol.send(channel, error_message(_failure(line, pidfd, work, channel)))
    finally:
        os._exit(1)


def _failure(line: border.Border, pidfd: int, work: Work, channel: socket.socket) -> KapsuleError:
    """Do the work; come back only with what went wrong."""
    try:
        border.cross(line, pidfd)
        work(channel)
    except KapsuleError as error:
        return error
    except ProcessLookupError:
        return GuestError("The container has stopped", hint="Try again.")
    except OSError as error:
        return _trouble(error)
    except Exception as error:
        return InternalError(f"{type(error).__name__}: {error}")
    os._exit(0)


def _trouble(error: OSError) -> GuestError:
    what = error.strerror or str(error)
    where = f": {error.filename!r}" if error.filename else ""
    hint = "`kapsule enter --root` gives a root shell, to look into it."
    if error.errno == errno.ENOSPC:
        hint = "Make room in the container, or where Incus has its storage pools."
    return GuestError(f"Inside the container: {what}{where}", hint=hint)
