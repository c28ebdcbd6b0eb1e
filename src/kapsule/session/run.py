# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program of the guest as the container's root, without a terminal, a login or any output."""

import os
import socket
from contextlib import suppress
from functools import partial
from typing import NoReturn

from kapsule.session import answers, border, monitor, protocol
from kapsule.session.environment import DEFAULT_PATH
from kapsule.session.inside import fork_inside

_ENVIRONMENT = {"PATH": DEFAULT_PATH, "HOME": "/root", "LANG": "C.UTF-8", "container": "lxc"}

_PATIENCE = 30.0  # seconds, for the guest to let the program be executed


def run(channel: socket.socket, message: protocol.Message, descriptors: list[int]) -> None:
    """Run a program, answer, and stay with it until it ends or nobody waits for it any more.

    message: "init" (pid), "command" (a path and words), "input" (what it reads). descriptors: a
    pidfd of init. Answers with nothing once it runs; then with its end, as monitor.stay_with says.
    """
    line = border.survey(message["init"], descriptors[0])
    child, inside = fork_inside(line, descriptors[0], partial(_become, message))
    answer = _failure(inside, child, channel)
    with suppress(BrokenPipeError, ConnectionResetError):  # it gave up; the program is ended below
        protocol.send(channel, answer)
    if not answer:
        monitor.stay_with(child, channel)


def _failure(inside: socket.socket, child: int, client: socket.socket) -> protocol.Message:
    try:
        answer, given = answers.hear(inside, child, client, _PATIENCE)
    except EOFError:  # the socket closed itself: the program was executed
        return {}
    protocol.close_all(given)
    return answer


def _become(message: protocol.Message, channel: socket.socket) -> NoReturn:
    """Become the program. Runs inside the container, as its root."""
    os.setsid()
    os.chdir("/")
    data = os.memfd_create("input")  # closed on exec, unlike its duplicate
    os.write(data, message["input"].encode(errors="surrogateescape"))
    os.lseek(data, 0, os.SEEK_SET)
    null = os.open("/dev/null", os.O_RDWR)
    for number, source in enumerate((data, null, null)):
        os.dup2(source, number)
    os.execve(message["command"][0], message["command"], _ENVIRONMENT)
