# SPDX-License-Identifier: GPL-3.0-or-later
"""Stay with a session: pass signals in, report its end, and end it when its client goes."""

import os
import select
import signal
import socket
import time

# How long processes may take to end after SIGHUP before they are killed, in seconds.
_GRACE = 2.0
# How long to wait, in seconds, before looking again, at first and at most: what is frozen or waits
# for a file system that never answers ends late.
_PAUSE, _LONG_PAUSE = 0.02, 5.0


def stay_with(child: int, channel: socket.socket) -> None:
    """Wait for the session's first process, which leads a session of the kernel's kind.

    channel: carries packets of plain text: `signal NUMBER` from the client, `exit CODE` or
    `killed SIGNAL` to it. When the client closes it, all that the session still runs is ended.
    """
    pidfd = os.pidfd_open(child)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.register(channel, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll()}
        if pidfd in ready:
            _report(child, channel)
            return
        if not _pass_signal(child, channel):
            _end(child)
            return


def _report(child: int, channel: socket.socket) -> None:
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    text = b"exit %d" % code if code >= 0 else b"killed %d" % -code
    try:
        channel.send(text)
    except OSError:
        return  # nobody is there to hear it


def _pass_signal(child: int, channel: socket.socket) -> bool:
    """Deliver one signal to the session's process group; say whether the client is still there."""
    try:
        kind, _, number = channel.recv(64).partition(b" ")
    except OSError:
        return False
    if kind == b"signal" and number.isdigit() and int(number) in signal.valid_signals():
        _signal_group(child, int(number))
    return kind != b""


def _signal_group(child: int, number: int) -> None:
    try:
        os.killpg(child, number)
    except ProcessLookupError:
        return


def _end(child: int) -> None:
    """End the session's processes: politely, then by force.

    Those that left for a session of their own and have another parent (daemons, a tmux server)
    are not the session's any more, as after a hang-up of ssh.
    """
    deadline = time.monotonic() + _GRACE
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGCONT):
        for pid in _members(child):
            _kill(pid, number)
    while _members(child) and time.monotonic() < deadline:
        time.sleep(_PAUSE)
    pause = _PAUSE
    while members := _members(child):
        for pid in members:
            _kill(pid, signal.SIGKILL)
        time.sleep(pause)
        pause = min(2 * pause, _LONG_PAUSE)


def _kill(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _members(leader: int) -> set[int]:
    """Return the living processes of leader's session and all their descendants."""
    parents, found = {}, set()
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if fields[0] in (b"Z", b"X"):
            continue
        parents[int(name)] = int(fields[1])
        if int(fields[3]) == leader:
            found.add(int(name))
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found
