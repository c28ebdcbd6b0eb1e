# SPDX-License-Identifier: GPL-3.0-or-later
"""Hear what a process inside a container says, without waiting for ever.

The guest can hold it up: it is frozen, its files are on a file system that never answers, or its
root stops the process. And whoever asked may be gone before there is an answer.
"""

import os
import select
import signal
import socket

from kapsule.errors import GuestError
from kapsule.session import protocol


def expect(
    inside: socket.socket, child: int, client: socket.socket, patience: float
) -> tuple[protocol.Message, list[int]]:
    """Return the first message of a process that `fork_inside` made, and its descriptors.

    child: that process. client: the socket to who waits for the answer. patience: in seconds.
    Raises GuestError when there is none, BrokenPipeError when nobody waits for it any more.
    """
    try:
        return hear(inside, child, client, patience)
    except EOFError:
        raise GuestError(
            "What was begun inside the container was killed", hint="It may have stopped; try again."
        ) from None


def hear(
    inside: socket.socket, child: int, client: socket.socket, patience: float
) -> tuple[protocol.Message, list[int]]:
    """Return the next message, as `expect` does; raise EOFError when none will ever come.

    That is so when the process has ended, or executed a program.
    """
    ready, _, _ = select.select([inside, client], [], [], patience)
    if inside in ready:
        return protocol.receive(inside)
    os.kill(child, signal.SIGKILL)
    if client in ready:
        raise BrokenPipeError("nobody waits for the answer")
    raise GuestError(
        "The container does not answer", hint="It may be frozen, or one of its file systems hang."
    )
