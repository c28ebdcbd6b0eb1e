# SPDX-License-Identifier: GPL-3.0-or-later
"""The session helper: joins containers for the daemon, one forked process a request.

It is a program of its own, so that sessions outlive the daemon, and has one thread, because the
kernel lets only such a process join a mount namespace (setns(2)). It imports nothing but the
standard library and what it needs of kapsule, before the first request: a fork costs a millisecond,
a new interpreter fifteen.
"""

import logging
import os
import signal
import socket
import struct
import sys

# Run as `python3 -IS .../kapsule/session`, without a site directory: the package lies around us.
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from contextlib import suppress

from kapsule import names
from kapsule.errors import GuestError, InternalError, KapsuleError
from kapsule.linux import syscalls
from kapsule.session import files, login, mount_requests, protocol, run, start
from kapsule.session.inside import error_message

_FIRST_INHERITED = 3  # sd_listen_fds(3)
_HANDLERS = {
    "start": start.start,
    "login": login.open_login,
    "read": files.read,
    "apply": files.apply,
    "locales": files.find_missing_locales,
    "run": run.run,
    "mount": mount_requests.mount,
    "unmount": mount_requests.unmount,
}

log = logging.getLogger("kapsule-session")


def main() -> int:
    """Serve until killed. The sessions that run then go on."""
    logging.basicConfig(format="%(name)s: %(message)s", level=logging.INFO)
    listener = _listen()
    os.closerange(listener.fileno() + 1, os.sysconf("SC_OPEN_MAX"))  # no session inherits anything
    syscalls.adopt_orphans()  # the login sessions, whose helper ends when they are open
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps: waitpid(2), NOTES
    while True:
        channel, _ = listener.accept()
        with channel:
            _fork(listener, channel)


def _fork(listener: socket.socket, channel: socket.socket) -> None:
    """Leave a request to a process of its own."""
    try:
        child = os.fork()
    except OSError as error:  # no process is to be had; who asks is told by the closed channel
        log.error("cannot serve a request: %s", error)
        return
    if child == 0:
        listener.close()
        _serve(channel)


def _listen() -> socket.socket:
    """Return the socket that systemd opened, or open it."""
    if os.environ.get("LISTEN_PID") == str(os.getpid()):
        return socket.socket(fileno=_FIRST_INHERITED)
    os.makedirs(names.RUN_DIRECTORY, mode=0o755, exist_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.path.exists(names.SESSION_SOCKET):
        os.unlink(names.SESSION_SOCKET)
    mask = os.umask(0o177)
    listener.bind(names.SESSION_SOCKET)
    os.umask(mask)
    listener.listen(128)
    return listener


def _serve(channel: socket.socket) -> None:
    """Be the process of one request. Never returns."""
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        if _is_root(channel):
            _handle(channel)
        status = 0
    except Exception:
        log.exception("a request failed")
    finally:
        os._exit(status)


def _is_root(channel: socket.socket) -> bool:
    """Say whether the peer is root; the socket's mode says the same."""
    credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return bool(uid == 0)


def _handle(channel: socket.socket) -> None:
    try:
        message, descriptors = protocol.receive(channel)
    except EOFError:  # a daemon that was killed
        log.info("who connected left before asking for anything")
        return
    try:
        _HANDLERS[message["kind"]](channel, message, descriptors)
    except KapsuleError as error:
        _refuse(channel, error)
    except BrokenPipeError as error:
        log.info("cannot %s: %s", message["kind"], error)
    except ProcessLookupError as error:
        text = str(error) if error.errno is None else "The container has stopped"
        _refuse(channel, GuestError(text, hint="Try again."))
    except Exception as error:
        log.exception("cannot %s", message["kind"])
        _refuse(channel, InternalError(f"{type(error).__name__}: {error}"))


def _refuse(channel: socket.socket, error: KapsuleError) -> None:
    with suppress(BrokenPipeError):  # whoever asked does not wait any more
        protocol.send(channel, error_message(error))


if __name__ == "__main__":
    sys.exit(main())
