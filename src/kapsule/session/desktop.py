# SPDX-License-Identifier: GPL-3.0-or-later
"""Put sockets and files of the host in place inside a container, each session anew.

A file in the container is compared with the host's by device and inode, a copy by its content, so
that a restarted compositor is mounted again, and nothing is done where nothing changed. What is
missing is put in place in one go by a process of the host in the container's mount namespace: no
program of the guest has a part in it. The guest's root may race with it; paths are walked by
descriptors and links are never followed, so what comes of it stays inside.
"""

import os
import signal
import socket
import stat
from typing import NamedTuple, NoReturn

from kapsule.linux import mounts, statx, syscalls
from kapsule.session import copies, protocol
from kapsule.session.shares import FILE, Share
from kapsule.session.sources import Caller, Source, opened

_PATIENCE = 10  # seconds; the guest can have a file system under the target that never answers
_MOST_MOUNTS = 16  # one upon the other, that are taken away
_STICKY = 0o1777
_NOWHERE_ELSE = mounts.RESOLVE_IN_ROOT | mounts.RESOLVE_NO_MAGICLINKS | mounts.RESOLVE_NO_SYMLINKS


class Shared(NamedTuple):
    """What came of it. variables: to set in the session. notes: what the user should know."""

    variables: dict[str, str]
    notes: list[str]


def share(shares: tuple[Share, ...], caller: Caller, init: int, pidfd: int, runtime: str) -> Shared:
    """Share the host's desktop with a container.

    init, pidfd: the container's init. runtime: the user's runtime directory in the container,
    which is made where it is missing.
    """
    signal.alarm(_PATIENCE)  # ends this process: a look at the users' files can take for ever
    with opened(shares, caller) as (sources, notes):
        missing = [source for source in sources if not _is_in_place(source, init, caller)]
        signal.alarm(0)
        failed = _put_in_place(missing, pidfd, caller, runtime) if missing else {}
        variables = {
            source.share.variable: source.share.value
            for source in sources
            if source.share.variable and source.share.target not in failed
        }
        return Shared(variables, [*notes, *failed.values()])


def _is_in_place(source: Source, init: int, caller: Caller) -> bool:
    try:
        root = os.open(f"/proc/{init}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        target = mounts.open_at(root, source.share.target, os.O_PATH, _NOWHERE_ELSE)
    except OSError:
        return False
    finally:
        os.close(root)
    try:
        if source.copy is not None:
            return copies.is_copy(target, source.copy, caller.uid)
        status = os.fstat(target)
        return (status.st_dev, status.st_ino) == source.file
    finally:
        os.close(target)


def _put_in_place(
    sources: list[Source], pidfd: int, caller: Caller, runtime: str
) -> dict[str, str]:
    """Do it in a process of its own; return why which target could not be put in place."""
    trees = {
        source.share.target: mounts.clone(source.descriptor, read_only=source.share.kind == FILE)
        for source in sources
        if source.copy is None
    }
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    child = os.fork()
    if child == 0:
        _be_the_mounter(sources, trees, pidfd, caller, runtime, theirs)
    theirs.close()
    protocol.close_all(list(trees.values()))
    ours.settimeout(_PATIENCE)
    try:
        failed = dict(protocol.receive(ours)[0])
    except (OSError, EOFError):
        os.kill(child, signal.SIGKILL)  # and not waited for: FUSE can hold up a killed process, too
        return {source.share.target: "The container's files do not answer" for source in sources}
    finally:
        ours.close()
    os.waitpid(child, 0)
    return failed


def _be_the_mounter(
    sources: list[Source],
    trees: dict[str, int],
    pidfd: int,
    caller: Caller,
    runtime: str,
    channel: socket.socket,
) -> NoReturn:
    try:
        syscalls.setns(pidfd, syscalls.CLONE_NEWNS)
        os.umask(0)
        failed = {}
        for source in sources:
            try:
                _put(source, trees.get(source.share.target), caller, runtime)
            except OSError as error:
                reason = error.strerror or str(error)
                failed[source.share.target] = (
                    f"{source.share.target} cannot be put in place in the container: {reason}"
                )
        protocol.send(channel, failed)
    finally:
        os._exit(0)


def _put(source: Source, tree: int | None, caller: Caller, runtime: str) -> None:
    """Mount tree at the target, or write the copy.

    Runs in the container's mount namespace, with the host's rights.
    """
    directory, name = os.path.split(source.share.target)
    parent = _walk(directory, caller, runtime)
    try:
        os.fchdir(parent)
        _uncover(name, parent)
        if source.copy is not None:
            copies.write(parent, name, source.copy, caller.uid, caller.gid)
        elif tree is not None:
            _attach(tree, name, parent, caller)
    finally:
        os.chdir("/")
        os.close(parent)


def _walk(directory: str, caller: Caller, runtime: str) -> int:
    """Open a directory, and make what is missing of it on the way; follow no link."""
    current = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    path = ""
    for name in directory.strip("/").split("/"):
        path += "/" + name
        try:
            below = _open_or_make(current, name, path, caller, runtime)
        finally:
            os.close(current)
        current = below
    return current


def _open_or_make(parent: int, name: str, path: str, caller: Caller, runtime: str) -> int:
    flags = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(name, flags, dir_fd=parent)
    except FileNotFoundError:
        is_users = path == runtime or path.startswith(runtime + "/")
        os.mkdir(name, 0o700 if is_users else 0o755, dir_fd=parent)
    made = os.open(name, os.O_RDONLY | flags & ~os.O_PATH, dir_fd=parent)
    if is_users:
        os.fchown(made, caller.uid, caller.gid)
    elif path == "/tmp/.X11-unix":
        os.fchmod(made, _STICKY)
    return made


def _uncover(name: str, parent: int) -> None:
    """Take away what was mounted at a name before: a server that is gone has a dead socket."""
    for _ in range(_MOST_MOUNTS):
        try:
            if statx.mount_id(name, directory=parent) == statx.mount_id(".", directory=parent):
                return
        except FileNotFoundError:
            return
        mounts.detach(name)


def _attach(tree: int, name: str, parent: int, caller: Caller) -> None:
    place = _open_place(name, parent, caller)
    try:
        mounts.attach(tree, place)
    finally:
        os.close(place)


def _open_place(name: str, parent: int, caller: Caller) -> int:
    """Open the file to mount upon; make an empty one where there is none."""
    try:
        made = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=parent)
        os.fchown(made, caller.uid, caller.gid)
        os.close(made)
    except FileExistsError:
        pass
    place = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    mode = os.fstat(place).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISSOCK(mode)):
        os.close(place)
        raise OSError("there is something else at that place")
    return place
