# SPDX-License-Identifier: GPL-3.0-or-later
"""Places in a container to mount upon. Runs in the container's mount namespace.

The guest's root may race with it: paths are walked by descriptors, and no link is followed.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from kapsule.linux import mounts, statx
from kapsule.session.folders import is_below

_MOST_MOUNTS = 16  # one upon the other, that are taken away
_STICKY = 0o1777
_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Maker(NamedTuple):
    """Whose the directories are that have to be made on the way.

    uid, gid: the user's. owned: directories that are the user's, with all in them; the others
    are root's.
    """

    uid: int
    gid: int
    owned: tuple[str, ...]


@contextmanager
def parent_of(target: str, maker: Maker | None) -> Iterator[tuple[int, str]]:
    """Go to the directory that target lies in; give its descriptor, and target's name.

    maker: None if nothing shall be made. Raises OSError.
    """
    directory, name = os.path.split(target)
    parent = _walk(directory, maker)
    try:
        os.fchdir(parent)
        yield parent, name
    finally:
        os.chdir("/")
        os.close(parent)


def uncover(name: str, parent: int) -> None:
    """Take away what was mounted at a name before: a server that is gone has a dead socket.

    Raises OSError where more is mounted there, one upon the other, than anybody needs.
    """
    for _ in range(_MOST_MOUNTS):
        if not _is_covered(name, parent):
            return
        mounts.detach(name)
    if _is_covered(name, parent):
        raise OSError("something is mounted there again and again")


def _is_covered(name: str, parent: int) -> bool:
    try:
        place = statx.mount_id(name, directory=parent)
    except FileNotFoundError:
        return False
    return place != statx.mount_id(".", directory=parent)


def attach_file(tree: int, name: str, parent: int, maker: Maker) -> None:
    """Mount upon a file or a socket; make an empty file where there is none."""
    try:
        made = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=parent)
        os.fchown(made, maker.uid, maker.gid)
        os.close(made)
    except FileExistsError:
        pass
    place = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        mode = os.fstat(place).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISSOCK(mode)):
            raise OSError("there is something else at that place")
        mounts.attach(tree, place)
    finally:
        os.close(place)


def attach_directory(tree: int, name: str, parent: int, path: str, maker: Maker) -> None:
    """Mount upon a directory; make one where there is none. path: the whole of name's."""
    place = _open_or_make(parent, name, path, maker)
    try:
        mounts.attach(tree, place)
    finally:
        os.close(place)


def _walk(directory: str, maker: Maker | None) -> int:
    """Open a directory, and make what is missing of it on the way."""
    current = os.open("/", os.O_PATH | _DIRECTORY)
    path = ""
    for name in filter(None, directory.split("/")):
        path += "/" + name
        try:
            below = _open_or_make(current, name, path, maker)
        finally:
            os.close(current)
        current = below
    return current


def _open_or_make(parent: int, name: str, path: str, maker: Maker | None) -> int:
    with suppress(FileNotFoundError):
        return os.open(name, os.O_PATH | _DIRECTORY, dir_fd=parent)
    if maker is None:
        raise FileNotFoundError(f"{path} is not there")
    is_users = is_below(path, maker.owned)
    os.mkdir(name, 0o700 if is_users else 0o755, dir_fd=parent)
    made = os.open(name, os.O_RDONLY | _DIRECTORY, dir_fd=parent)
    if is_users:
        os.fchown(made, maker.uid, maker.gid)
    elif path == "/tmp/.X11-unix":
        os.fchmod(made, _STICKY)
    return made
