# SPDX-License-Identifier: GPL-3.0-or-later
"""Start a session: a login shell or a command of a user, inside a container."""

import errno
import fcntl
import os
import socket
import stat
from contextlib import suppress
from functools import partial
from typing import NoReturn

from kapsule.errors import GuestError, InvalidArgument, NoAccount
from kapsule.linux import pty
from kapsule.session import (
    accounts,
    answers,
    border,
    environment,
    locales,
    monitor,
    mount_requests,
    program,
    protocol,
    seats,
)
from kapsule.session.inside import fork_inside

_STANDARD = (0, 1, 2)
_PATIENCE = 30.0  # seconds, for the guest to let the session's program be executed


def start(channel: socket.socket, message: protocol.Message, descriptors: list[int]) -> None:
    """Start a session, answer, and stay with it until it ends.

    message: "init" (pid), "login" (pid of the user's login session, or None), "environment" of
    that login session, "groups" of it, "name" and "uid" of the user, "container", "command",
    "cwd", "passed" (environment), "terminal" (which of 0, 1, 2 are on it), "rows", "columns",
    "plan" (what is shared: session/mount_requests.py), "counted" (the uid of whose session it is on
    the host) and "most" (how many they may have, 0 for any number).
    descriptors: pidfds of init and, where there is one, of the login; then what stands for those
    of 0, 1, 2 that are not on the terminal.
    Answers with "notes" and, where there is a terminal, its master.
    """
    pidfds = 1 if message["login"] is None else 2
    stdio = descriptors[pidfds:]
    seats.take(message["counted"], message["most"])  # first of all: what follows can hang for good
    _check_stdio(stdio, message["terminal"])
    line = border.survey(message["init"], descriptors[0], message["login"])
    if not all(map(border.is_alive, descriptors[:pidfds])):
        raise ProcessLookupError("The login session in the container has ended")
    shared = mount_requests.carry_out(message, descriptors[0])
    message["passed"] |= shared.variables
    child, inside = fork_inside(line, descriptors[0], partial(_begin, message, stdio))
    protocol.close_all(descriptors)
    answer, given = _answer(inside, child, channel)
    answer["notes"] = [*shared.notes, *answer.get("notes", ())]
    with suppress(BrokenPipeError):  # who asked is gone: the monitor ends the session
        protocol.send(channel, answer, tuple(given))
    protocol.close_all(given)
    if "error" not in answer:
        monitor.stay_with(child, channel)


def _check_stdio(stdio: list[int], terminal: list[int]) -> None:
    if len(stdio) + len(set(terminal) & set(_STANDARD)) != len(_STANDARD):
        raise InvalidArgument("Standard input, output and error are not complete")
    for descriptor in stdio:
        _check_harmless(descriptor)


def _check_harmless(descriptor: int) -> None:
    """Refuse what gives the guest more than bytes to read and write.

    By a terminal it could type for the caller (TIOCSTI, ioctl_tty(2)). From a directory it could
    walk through the host. O_PATH comes without the rights that opening takes: open(2).
    """
    if os.isatty(descriptor):
        raise InvalidArgument("A terminal of the host cannot be handed to a container")
    is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
    if is_directory or fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_PATH:
        raise InvalidArgument("Standard input, output and error must be open files, no directories")


def _answer(
    inside: socket.socket, child: int, client: socket.socket
) -> tuple[protocol.Message, list[int]]:
    """Return what the child says before it becomes the session's program, or why it could not."""
    answer, given = answers.expect(inside, child, client, _PATIENCE)
    try:
        failure, more = answers.hear(inside, child, client, _PATIENCE)
    except EOFError:  # the socket closed itself: the program was executed
        return answer, given
    protocol.close_all(given + more)
    return failure, []


def _begin(message: protocol.Message, stdio: list[int], channel: socket.socket) -> NoReturn:
    """Become the session's program. Runs inside the container, as its root at first."""
    account = _account(message)
    shell = program.find_shell(account.shell)
    if not shell:
        raise GuestError(
            f"Container '{message['container']}' has no shell",
            hint="It needs /bin/sh to be entered.",
        )
    os.setsid()
    master = _connect(message, stdio, account)
    _become(account, message["groups"])
    notes = _change_directory(message["cwd"], account.home)
    chosen = program.choose(shell, message["command"])
    variables = environment.compose(
        account, shell, message["container"], message["environment"], message["passed"]
    )
    protocol.send(channel, {"notes": notes}, () if master is None else (master,))
    _execute(chosen, locales.without_missing(variables))


def _account(message: protocol.Message) -> accounts.Account:
    if message["uid"] == 0:
        return accounts.root_account()
    account = accounts.find_account(message["name"], message["uid"])
    if account is None:
        raise NoAccount(f"{message['name']} has no account in the container")
    return account


def _connect(message: protocol.Message, stdio: list[int], account: accounts.Account) -> int | None:
    """Put 0, 1 and 2 in place; return the master of the terminal, if there is one."""
    on_terminal = message["terminal"]
    master = None
    rest = iter(stdio)
    sources = [None if number in on_terminal else next(rest) for number in _STANDARD]
    if on_terminal:
        master, slave = _open_terminal(message["rows"], message["columns"], account.uid)
        sources = [slave if source is None else source for source in sources]
    # Above 2 first, so that none is overwritten before it is used.
    parked = [os.dup(source) if source <= 2 else source for source in sources if source is not None]
    for number, source in zip(_STANDARD, parked, strict=True):
        os.dup2(source, number)
    return master


def _open_terminal(rows: int, columns: int, uid: int) -> tuple[int, int]:
    master, slave = pty.open_pty()
    pty.set_window_size(slave, rows, columns)
    os.fchown(slave, uid, -1)
    pty.make_controlling(slave)
    return master, slave


def _become(account: accounts.Account, login_groups: list[int]) -> None:
    """Take on the user's identity. Groups that only the login knows (pam_group) come along."""
    others = set(login_groups) - accounts.known_groups()
    os.setgroups(sorted({*account.groups, *others}))
    os.setresgid(account.gid, account.gid, account.gid)
    os.setresuid(account.uid, account.uid, account.uid)


def _change_directory(wanted: str, home: str) -> list[str]:
    """Go where the caller wants, "" for home, else home; return what there is to say about it."""
    for directory in (wanted, home, "/"):
        try:
            os.chdir(directory)
        except OSError:
            continue
        if directory == wanted or not wanted:
            return []
        return [f"{wanted} is not in the container; starting in {directory}"]
    return []


def _execute(chosen: program.Program, variables: dict[str, str]) -> NoReturn:
    try:
        os.execve(chosen.path, chosen.arguments, variables)
    except OSError as error:
        is_too_much = error.errno == errno.E2BIG
        raise GuestError(
            f"{chosen.path} cannot be executed: {error.strerror}",
            hint="Fewer or shorter arguments and variables may help." if is_too_much else "",
        ) from error
