# SPDX-License-Identifier: GPL-3.0-or-later
"""Read and change files of a container from inside it: one process for any number of them."""

import socket
from functools import partial

from kapsule.session import answers, border, guest_files, guest_reading, locales, protocol
from kapsule.session.guest_actions import actions_from_wire, actions_to_wire, files_to_wire
from kapsule.session.inside import Work, fork_inside

# Seconds. Other programs may keep the account files locked for a while: guest_files.py.
_PATIENCE = 60.0


def read(channel: socket.socket, message: protocol.Message, descriptors: list[int]) -> None:
    """Read files and directories of a container.

    message: "init" (pid), "paths". descriptors: a pidfd of init.
    Answers with "files": what is at each path, as guest_actions puts it on the wire.
    """
    _relay(channel, message, descriptors, partial(_read, message["paths"]))


def apply(channel: socket.socket, message: protocol.Message, descriptors: list[int]) -> None:
    """Apply actions to a container, all of them or none.

    message: "init" (pid), "actions" on the wire. descriptors: a pidfd of init.
    Answers with "undo": the actions that take these back.
    """
    _relay(channel, message, descriptors, partial(_apply, message["actions"]))


def find_missing_locales(
    channel: socket.socket, message: protocol.Message, descriptors: list[int]
) -> None:
    """Find out which locales a container does not have.

    message: "init" (pid), "names". descriptors: a pidfd of init. Answers with "missing": a list.
    """
    _relay(channel, message, descriptors, partial(_find_missing_locales, message["names"]))


def _relay(
    channel: socket.socket, message: protocol.Message, descriptors: list[int], work: Work
) -> None:
    line = border.survey(message["init"], descriptors[0])
    child, inside = fork_inside(line, descriptors[0], work)
    answer, given = answers.expect(inside, child, channel, _PATIENCE)
    protocol.close_all(given)
    protocol.send(channel, answer)


def _read(paths: list[str], channel: socket.socket) -> None:
    protocol.send(channel, {"files": files_to_wire(guest_reading.read_files(paths))})


def _apply(actions: list[list[object]], channel: socket.socket) -> None:
    undo = guest_files.apply(actions_from_wire(actions))
    protocol.send(channel, {"undo": actions_to_wire(undo)})


def _find_missing_locales(names: list[str], channel: socket.socket) -> None:
    protocol.send(channel, {"missing": sorted(locales.missing(names))})
