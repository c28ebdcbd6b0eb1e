# SPDX-License-Identifier: GPL-3.0-or-later
"""A filtered way from an isolated container to its user's session bus on the host.

The filter is xdg-dbus-proxy, where the host has it: a program of the user's, with the user's
rights and none of ours, one for each run of a container, user and bus. It ends with the container.
What may be called is fixed here; nobody who asks chooses it.
"""

import hashlib
import logging
import os
import select
import signal
import string
from contextlib import suppress
from typing import NoReturn
from urllib.parse import quote

from kapsule.linux import syscalls
from kapsule.session import border, runs, sources
from kapsule.session.shares import FILTERED_BUS, SOCKET, Share
from kapsule.session.sources import Caller

_PROGRAM = "/usr/bin/xdg-dbus-proxy"
_LOCK = "proxies"
_PATIENCE = 5.0  # seconds, for it to listen
_GRACE = 2.0  # seconds, for it to end
# D-Bus Specification, "Server Addresses": what needs no escaping.
_PLAIN = string.ascii_letters + string.digits + "-_/.*"

_NOTIFICATIONS = "org.freedesktop.Notifications"
_TRAY = "org.kde.StatusNotifierWatcher"
_PORTAL = "org.freedesktop.portal.Desktop"
_PORTAL_PATH = "/org/freedesktop/portal/desktop"
_PROPERTIES = "org.freedesktop.DBus.Properties"
# Portals that ask the user whoever calls, or that only tell or show something. The portal takes
# the proxy for a program of the host, so that others would not ask: the ones that open files and
# links, start programs at login, install launchers or take pictures of the screen are left out, and
# so are those that write an e-mail or keep the machine awake without asking.
_PORTALS = ("Settings", "Notification", "FileChooser", "Print", "Account")
# What may be called and heard, by name, members and path. To let a name through as a whole would
# let all through that its owner offers: that of the notifications is Plasma's shell, which runs
# scripts. Nor its whole interface: there Plasma silences other programs, and tells everybody what
# the user has answered to one of them.
_NOTIFICATIONS_PATH = "/org/freedesktop/Notifications"
_NOTIFY = ("Notify", "CloseNotification", "GetCapabilities", "GetServerInformation")
_NOTIFIED = ("NotificationClosed", "ActionInvoked")
_BOTH = (
    (_TRAY, f"{_TRAY}.*", "/StatusNotifierWatcher"),
    (_TRAY, f"{_PROPERTIES}.*", "/StatusNotifierWatcher"),
    *((_PORTAL, f"org.freedesktop.portal.{each}.*", _PORTAL_PATH) for each in _PORTALS),
    (_PORTAL, f"{_PROPERTIES}.*", _PORTAL_PATH),
    (_PORTAL, "org.freedesktop.portal.Request.*", f"{_PORTAL_PATH}/request/*"),
)
_CALLS = (
    *((_NOTIFICATIONS, f"{_NOTIFICATIONS}.{each}", _NOTIFICATIONS_PATH) for each in _NOTIFY),
    *_BOTH,
)
_BROADCASTS = (
    *((_NOTIFICATIONS, f"{_NOTIFICATIONS}.{each}", _NOTIFICATIONS_PATH) for each in _NOTIFIED),
    *_BOTH,
)
_RULES = (
    "--filter",
    *(f"--call={name}={member}@{path}" for name, member, path in _CALLS),
    *(f"--broadcast={name}={member}@{path}" for name, member, path in _BROADCASTS),
)

log = logging.getLogger("kapsule-session")


def with_proxies(
    shares: tuple[Share, ...], caller: Caller, init: int, pidfd: int
) -> tuple[Share, ...]:
    """Return the shares with the socket of a proxy in place of each bus that is to be filtered.

    init, pidfd: the container's init. A bus is left out where there is no proxy to be had.
    """
    found = (_replaced(share, caller, init, pidfd) for share in shares)
    return tuple(share for share in found if share)


def _replaced(share: Share, caller: Caller, init: int, pidfd: int) -> Share | None:
    if share.kind != FILTERED_BUS:
        return share
    if not os.path.exists(_PROGRAM) or caller.uid == 0:
        return None
    with sources.opened((share,), caller) as (is_theirs, _):
        if not is_theirs:
            return None
    with runs.locked(init, _LOCK):
        path = _running(init, caller, share.source) or _start(init, pidfd, caller, share.source)
    return share._replace(source=path, kind=SOCKET) if path else None


def _running(init: int, caller: Caller, bus: str) -> str:
    """Return the socket of the proxy that runs already, "" where there is none."""
    try:
        pid, start = runs.read(init, _note(caller, bus)).split()
        is_same = runs.start_time(int(pid)) == start
    except (OSError, ValueError):
        return ""
    return _socket(init, caller, bus) if is_same else ""


def _start(init: int, pidfd: int, caller: Caller, bus: str) -> str:
    """Start a proxy and return its socket, "" when it does not listen."""
    path = _socket(init, caller, bus)
    ready, theirs = os.pipe()
    watcher = os.fork()
    if watcher == 0:
        _watch(init, pidfd, caller, bus, path, theirs)
    os.close(theirs)
    try:
        if select.select([ready], [], [], _PATIENCE)[0] and os.read(ready, 1):
            return path
    finally:
        os.close(ready)
    os.kill(watcher, signal.SIGKILL)  # the proxy sees it, and ends
    log.warning("%s does not listen", _PROGRAM)
    return ""


def _watch(init: int, pidfd: int, caller: Caller, bus: str, path: str, ready: int) -> NoReturn:
    """Start the proxy, say when it listens, and end it when the container has ended."""
    try:
        os.setsid()
        _close_all_but(pidfd, ready)
        alive, theirs = os.pipe()
        proxy = os.fork()
        if proxy == 0:
            _become_proxy(caller, bus, path, theirs)
        os.close(theirs)
        if os.read(alive, 1):
            runs.write(init, _note(caller, bus), f"{proxy} {runs.start_time(proxy)}")
            os.write(ready, b".")
            os.close(ready)
            select.select([pidfd, alive], [], [])
        os.close(alive)  # which ends it
        _reap(proxy)
        with suppress(FileNotFoundError):  # it may have done that itself
            os.unlink(path)
    finally:
        os._exit(0)


def _become_proxy(caller: Caller, bus: str, path: str, alive: int) -> NoReturn:
    """Become the proxy, with the caller's rights and nothing of ours.

    alive: it writes there when it listens, and ends when nobody reads there any more.
    """
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(null, number)
        os.set_inheritable(alive, True)
        os.umask(0o077)
        os.chdir("/")
        border.reset_signals()
        border.leave_keyring()
        syscalls.keep_from_new_privileges()
        os.setgroups(caller.groups)
        os.setresgid(caller.gid, caller.gid, caller.gid)
        os.setresuid(caller.uid, caller.uid, caller.uid)
        address = f"unix:path={quote(bus, safe=_PLAIN)}"
        words = (_PROGRAM, f"--fd={alive}", address, path, *_RULES)
        os.execve(_PROGRAM, words, {"PATH": os.defpath})
    finally:
        os._exit(1)


def _reap(proxy: int) -> None:
    pidfd = os.pidfd_open(proxy)
    if not select.select([pidfd], [], [], _GRACE)[0]:
        os.kill(proxy, signal.SIGKILL)
    os.waitpid(proxy, 0)


def _close_all_but(*kept: int) -> None:
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) not in kept:
            with suppress(OSError):  # the one that listdir() itself had open
                os.close(int(name))


def _note(caller: Caller, bus: str) -> str:
    digest = hashlib.sha256(bus.encode()).hexdigest()[:12]
    return f"proxy.{caller.uid}.{digest}"


def _socket(init: int, caller: Caller, bus: str) -> str:
    """Return where a proxy listens: in a directory of the caller's, which they cannot overfill."""
    run = f"{init} {runs.start_time(init)} {bus}"
    return f"/run/user/{caller.uid}/kapsule-bus-{hashlib.sha256(run.encode()).hexdigest()[:16]}"
