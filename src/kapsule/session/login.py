# SPDX-License-Identifier: GPL-3.0-or-later
"""Open a user's login session inside a container, once for as long as the container runs.

PAM is the guest's, and only a program of the guest may load its modules. So the guest's own `su`
opens the session, runs a shell that waits for ever, and keeps it open. Every `enter` then takes
over the session's cgroup, environment, limits and groups, as the terminals of a desktop share the
session of the desktop; it costs an enter nothing, and the guest's logind sees one session.
"""

import os
import select
import signal
import socket
import time
from contextlib import suppress
from functools import partial

from kapsule.errors import GuestError, KapsuleError, NoAccount, from_dbus
from kapsule.session import accounts, answers, border, logins, proc, program, protocol, user_bus
from kapsule.session.environment import DEFAULT_PATH
from kapsule.session.id_maps import to_inside
from kapsule.session.inside import fork_inside
from kapsule.session.logins import Held

_SU = ("/usr/bin/su", "/bin/su", "/run/wrappers/bin/su")
_PAM_SERVICES = ("/etc/pam.d/su", "/usr/lib/pam.d/su", "/usr/share/pam.d/su")
_BUS_SOCKET = "/run/dbus/system_bus_socket"
_BUS_UNITS = ("/usr/lib/systemd/system/dbus.socket", "/lib/systemd/system/dbus.socket")

# The shell has both ends of descriptor 4's pipe, so the read never ends.
_READY, _FOREVER = 3, 4
_WAIT = f"echo ready >&{_READY}; exec {_READY}>&-; read -r forever <&{_FOREVER}"

# How long the guest may take to boot to where a login works, and then to log in; in seconds.
_DEADLINE = 30.0
_PATIENCE = _DEADLINE + 10.0  # what waits inside gives up first, and says why
# More than a kernel takes for arguments and environment together by default: execve(2). Where a
# process says that its environment is, there may be more: PR_SET_MM.
_MOST_ENVIRONMENT = 2 * 1024 * 1024
_ENDED = "The login session in the container has ended"


def open_login(channel: socket.socket, message: protocol.Message, descriptors: list[int]) -> None:
    """Open a login session and answer.

    message: "init" (pid), "name" and "uid" of the user, "own_session" (whether they shall have
    services and a bus of their own in there). descriptors: a pidfd of init.
    Answers with "login" (a pid on the host, or None where the guest knows no PAM or does not let
    the user in), "environment", "groups", "note"; and a pidfd of the login.
    """
    init, uid = message["init"], message["uid"]
    login = logins.recall(init, uid)
    note = ""
    if login is None:
        login, note = _open(channel, message, descriptors[0])
        _wait_for_services(channel, message, descriptors[0], login)
    if login is None:
        protocol.send(channel, {"login": None, "note": note})
        return
    try:
        logins.check(login)
        logins.remember(init, uid, login.pid)
        answer = _describe(login.pid)
        logins.check(login)
    except (FileNotFoundError, ProcessLookupError) as error:
        raise ProcessLookupError(_ENDED) from error
    protocol.send(channel, answer, (login.pidfd,))


def _open(channel: socket.socket, message: protocol.Message, pidfd: int) -> tuple[Held | None, str]:
    """Return a new login session, or None and why there is none."""
    line = border.survey(message["init"], pidfd)
    ready, theirs = os.pipe()
    child, inside = fork_inside(line, pidfd, partial(_log_in, message, theirs))
    os.close(theirs)
    if not _receive(inside, child, channel).get("login"):
        return None, ""
    if select.select([ready], [], [], _DEADLINE)[0] and os.read(ready, 16):
        return _shell_of(child), ""
    os.kill(child, signal.SIGKILL)
    return None, "The container's su opened no login session; going in without one"


def _shell_of(su: int) -> Held:
    """Return what keeps a login open. su: a child of ours, whose number is its own until we wait.

    Raises ProcessLookupError when there is nothing: it can end whenever the guest likes.
    """
    try:
        pid = _only_child(su)
        return logins.hold(pid) if pid == su else logins.hold_child(pid, su)
    except ProcessLookupError as error:
        raise ProcessLookupError(_ENDED) from error


def _wait_for_services(
    channel: socket.socket, message: protocol.Message, pidfd: int, login: Held | None
) -> None:
    """Where the user has services of their own, wait for them; else end the login that began."""
    if not message["own_session"]:
        return
    line = border.survey(message["init"], pidfd)
    wait = partial(_wait_inside, message["uid"], login is not None)
    child, inside = fork_inside(line, pidfd, wait)
    try:
        _receive(inside, child, channel)
    except (KapsuleError, BrokenPipeError):
        # Not by its pid: meanwhile, that may have become the pid of any process of the host.
        if login is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(login.pidfd, signal.SIGKILL)
        raise


def _wait_inside(uid: int, has_login: bool, channel: socket.socket) -> None:
    user_bus.check_guest(has_login)
    user_bus.wait(uid)
    protocol.send(channel, {})


def _receive(inside: socket.socket, child: int, client: socket.socket) -> protocol.Message:
    answer, given = answers.expect(inside, child, client, _PATIENCE)
    protocol.close_all(given)
    if "error" in answer:
        raise from_dbus(answer["error"], answer["text"])
    return answer


def _describe(login: int) -> protocol.Message:
    return {
        "login": login,
        "environment": _environment(login),
        "groups": _groups(login),
        "note": "",
    }


def _only_child(pid: int) -> int:
    """Return the shell below su; su itself where it made itself the shell."""
    children = proc.read(f"/proc/{pid}/task/{pid}/children").split()
    return int(children[0]) if children else pid


def _environment(pid: int) -> dict[str, str]:
    with open(f"/proc/{pid}/environ", "rb") as file:
        entries = os.fsdecode(file.read(_MOST_ENVIRONMENT)).split("\0")
    pairs = (entry.partition("=") for entry in entries if "=" in entry)
    return {name: value for name, _, value in pairs if name}


def _groups(pid: int) -> list[int]:
    """Return the supplementary groups of a process, as its own user namespace numbers them."""
    groups = map(int, proc.words(f"/proc/{pid}/status", "Groups"))
    return to_inside(groups, proc.read(f"/proc/{pid}/gid_map"))


def _log_in(message: protocol.Message, ready: int, channel: socket.socket) -> None:
    """Become su. Runs inside the container, as its root."""
    if accounts.find_account(message["name"], message["uid"]) is None:
        raise NoAccount(f"{message['name']} has no account in the container")
    su = next((path for path in _SU if os.access(path, os.X_OK)), None)
    shell = program.find_shell("/bin/sh")
    if su is None or not shell or not any(map(os.path.exists, _PAM_SERVICES)):
        protocol.send(channel, {"login": False})
        return
    _wait_for_boot()
    protocol.send(channel, {"login": True})
    os.setsid()
    _arrange(ready)
    arguments = ("su", "-s", shell, "-c", _WAIT, "--", message["name"])
    os.execve(su, arguments, {"PATH": DEFAULT_PATH})


def _arrange(ready: int) -> None:
    """Put the descriptors where the shell looks for them; all others close themselves."""
    read, write = os.pipe()
    null = os.open("/dev/null", os.O_RDWR)
    parked = [os.dup(descriptor) for descriptor in (null, null, null, ready, read, write)]
    high = [os.dup2(descriptor, 50 + index) for index, descriptor in enumerate(parked)]
    for number, descriptor in enumerate(high):
        os.dup2(descriptor, number)
    os.closerange(6, 60)


def _wait_for_boot() -> None:
    """Wait until a guest with systemd and D-Bus takes calls, so that PAM finds its logind."""
    deadline = time.monotonic() + _DEADLINE
    while _has_systemd() and not user_bus.listens(_BUS_SOCKET):
        if time.monotonic() > deadline:
            raise GuestError(
                "The container's init has not come up",
                hint="`kapsule enter --root` gives a shell without waiting for it.",
            )
        time.sleep(0.02)


def _has_systemd() -> bool:
    try:
        return proc.read("/proc/1/comm") == "systemd" and any(map(os.path.exists, _BUS_UNITS))
    except OSError:  # without /proc there is no systemd
        return False
