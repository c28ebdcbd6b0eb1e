# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that mounts things of the host inside a container.

No program of the guest has a part in it. In a privileged container the process keeps the host's
rights: root is root there. In an isolated one it becomes the container's root before it looks at
anything of the container's. On its way it takes the mounts along through a copy of its mount
namespace that belongs to the container's user namespace: that copy locks them, so that nobody
inside can make a read-only mount writable, or honour set-user-id bits and device nodes on it
(mount_namespaces(7), "Restrictions on mount namespaces").
"""

import os
import signal
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, NoReturn

from kapsule import names
from kapsule.linux import mounts, syscalls
from kapsule.session import border, copies, places, proc, protocol
from kapsule.session.folders import kernel_mounts
from kapsule.session.places import Maker

PATIENCE = 10  # seconds; the guest can have a file system under the target that never answers

_NO_ANSWER = "The container's files do not answer"
_PUT = "be put in place in"


class Piece(NamedTuple):
    """What to put at a place in the container: a mount, or a file with that content.

    tree: a descriptor of the mount, attached nowhere; -1 where there is a copy.
    is_directory: what the mount shows.
    """

    target: str
    tree: int = -1
    is_directory: bool = False
    copy: bytes | None = None


class Ground(NamedTuple):
    """Where it happens. pidfd: the container's init. isolated: whether it has its own ids."""

    pidfd: int
    isolated: bool
    maker: Maker


def is_isolated(init: int) -> bool:
    """Whether the container with this init has a user namespace of its own. Raises OSError."""
    return os.stat(f"/proc/{init}/ns/user").st_ino != os.stat("/proc/self/ns/user").st_ino


def put(pieces: Sequence[Piece], ground: Ground) -> dict[str, str]:
    """Put pieces in place; return by target why which could not be. Closes the trees."""
    try:
        return _in_a_process_of_its_own(partial(_put_all, pieces, ground), pieces)
    finally:
        protocol.close_all([piece.tree for piece in pieces if piece.tree >= 0])


def take_away(targets: Sequence[str], ground: Ground) -> dict[str, str]:
    """Take away what is mounted at targets; return by target why which could not be."""
    pieces = [Piece(target) for target in targets]
    return _in_a_process_of_its_own(partial(_take_all, pieces, ground), pieces)


def _in_a_process_of_its_own(
    work: Callable[[], dict[str, str]], pieces: Sequence[Piece]
) -> dict[str, str]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        _report(work, pieces, theirs)
    theirs.close()
    ours.settimeout(PATIENCE)
    try:
        failed = dict(protocol.receive(ours)[0])
    except (OSError, EOFError):
        os.kill(child, signal.SIGKILL)  # and not waited for: FUSE can hold up a killed process, too
        return {piece.target: _NO_ANSWER for piece in pieces}
    finally:
        ours.close()
    os.waitpid(child, 0)
    return failed


def _report(
    work: Callable[[], dict[str, str]], pieces: Sequence[Piece], channel: socket.socket
) -> NoReturn:
    try:
        signal.alarm(0)
        protocol.send(channel, _outcome(work, pieces))
    finally:
        os._exit(0)


def _outcome(work: Callable[[], dict[str, str]], pieces: Sequence[Piece]) -> dict[str, str]:
    try:
        return work()
    except OSError as error:
        return {piece.target: _complaint(piece.target, error) for piece in pieces}


def _put_all(pieces: Sequence[Piece], ground: Ground) -> dict[str, str]:
    failed: dict[str, str] = {}
    if ground.isolated:
        pieces = _lock(pieces, ground, failed)
    else:
        syscalls.setns(ground.pidfd, syscalls.CLONE_NEWNS)
    os.umask(0)
    for piece in pieces:
        _note(failed, piece.target, partial(_put, piece, ground.maker))
    return failed


def _take_all(pieces: Sequence[Piece], ground: Ground) -> dict[str, str]:
    failed: dict[str, str] = {}
    if ground.isolated:
        _become_root_of(ground.pidfd)
    syscalls.setns(ground.pidfd, syscalls.CLONE_NEWNS)
    for piece in pieces:
        _note(failed, piece.target, partial(_take, piece.target), "be taken out of")
    return failed


def _note(failed: dict[str, str], target: str, work: Callable[[], None], what: str = _PUT) -> None:
    try:
        work()
    except OSError as error:
        failed[target] = _complaint(target, error, what)


def _complaint(target: str, error: OSError, what: str = _PUT) -> str:
    return f"{target} cannot {what} the container: {error.strerror or error}"


def _lock(pieces: Sequence[Piece], ground: Ground, failed: dict[str, str]) -> list[Piece]:
    """Go to the container's mount namespace as its root; return the pieces with locked mounts."""
    syscalls.unshare(syscalls.CLONE_NEWNS)
    mounts.be_private()
    scratch = names.RUN_DIRECTORY
    mounts.mount_memory(scratch)
    points = {}
    for number, piece in enumerate(pieces):
        if piece.tree >= 0:
            points[piece.target] = f"{scratch}/{number}"
            _note(failed, piece.target, partial(_park, piece, points[piece.target]))
    _become_root_of(ground.pidfd)
    syscalls.unshare(syscalls.CLONE_NEWNS)
    kept = [piece for piece in pieces if piece.target not in failed]
    locked = [
        piece._replace(tree=mounts.clone_path(points[piece.target])) if piece.tree >= 0 else piece
        for piece in kept
    ]
    syscalls.setns(ground.pidfd, syscalls.CLONE_NEWNS)
    return locked


def _park(piece: Piece, point: str) -> None:
    """Attach a piece in a namespace of our own; leave out what is the host's kernel."""
    if piece.is_directory:
        os.mkdir(point)
    else:
        os.close(os.open(point, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC))
    place = os.open(point, os.O_PATH | os.O_CLOEXEC)
    mounts.attach(piece.tree, place)
    os.close(place)
    if not piece.is_directory:
        return
    kernels = kernel_mounts(proc.lines("/proc/self/mountinfo"), point)
    if point in kernels:
        raise OSError("it is not a file system for users")
    for each in kernels:
        mounts.detach(each)


def _become_root_of(pidfd: int) -> None:
    """Become a container's root, with nothing of the host's rights."""
    syscalls.set_dumpable(False)
    syscalls.setns(pidfd, syscalls.CLONE_NEWUSER)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    border.leave_keyring()


def _put(piece: Piece, maker: Maker) -> None:
    with places.parent_of(piece.target, maker) as (parent, name):
        places.uncover(name, parent)
        if piece.copy is not None:
            copies.write(parent, name, piece.copy, maker.uid, maker.gid)
        elif piece.is_directory:
            places.attach_directory(piece.tree, name, parent, piece.target, maker)
        else:
            places.attach_file(piece.tree, name, parent, maker)


def _take(target: str) -> None:
    try:
        with places.parent_of(target, None) as (parent, name):
            places.uncover(name, parent)
    except FileNotFoundError:
        return
