# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories of the host, with the rights of the user who wants to share them."""

import errno
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from kapsule.create.mounts import check_source, clean, steps_down
from kapsule.errors import InvalidArgument
from kapsule.host.patience import run_in_own_thread
from kapsule.host.users import HostUser
from kapsule.linux.as_user import open_as, run_as

_PATIENCE = 10.0  # seconds for a file system that does not answer
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK
_MODE = 0o755


async def find_directory(user: HostUser, path: str) -> str | None:
    """Return the real path of a directory that the user may read.

    path: absolute. None when there is none yet, but it lies in the user's home, so that it can be
    made. Raises InvalidArgument when it cannot be shared.
    """
    try:
        return await _real_path(user, path)
    except FileNotFoundError as error:
        if steps_down(path, clean(user.home)):
            return None
        raise InvalidArgument(
            f"{path} does not exist", hint="Make the directory first, or leave it out"
        ) from error
    except OSError as error:
        raise InvalidArgument(
            f"{path} cannot be shared: {error.strerror}",
            hint="It must be a directory that you may read",
        ) from error


async def provide_directory(user: HostUser, path: str, made: list[str]) -> str:
    """Return the real path of a directory to share; make one that is missing in the user's home.

    made: gets what is about to be made, the outermost first.
    Raises InvalidArgument when it cannot be shared.
    """
    source = await find_directory(user, path)
    if source is None:
        await make_missing(user, path, clean(user.home), made)
        source = await find_directory(user, path)
    if source is None:
        raise InvalidArgument(f"{path} does not exist", hint="Make the directory first")
    check_source(path, source)
    return source


async def make_missing(user: HostUser, path: str, base: str, made: list[str]) -> None:
    """Make what is missing of path below base, as the user. made: as in provide_directory()."""
    missing = await missing_directories(user, path, base)
    if missing:
        made += missing
        await make_directories(user, missing)


async def missing_directories(user: HostUser, path: str, base: str) -> tuple[str, ...]:
    """Return those of path and what leads to it from base that are not there."""
    missing = []
    for directory in steps_down(path, base):
        try:
            await _real_path(user, directory)
        except FileNotFoundError:
            missing.append(directory)
        except OSError:
            continue
    return tuple(missing)


async def make_directories(user: HostUser, directories: Sequence[str]) -> None:
    """Make directories as the user, each in the one before it. Raises InvalidArgument."""
    try:
        await run_as(user, partial(_make, directories), _PATIENCE)
    except OSError as error:
        raise InvalidArgument(
            f"{directories[-1]} cannot be made: {error.strerror}",
            hint="Make the directory first, or leave it out",
        ) from error


async def remove_directories(user: HostUser, directories: Sequence[str]) -> None:
    """Remove directories as the user, given the outermost first. What is not empty stays."""
    with suppress(OSError):
        await run_as(user, partial(_remove, directories), _PATIENCE)


async def _real_path(user: HostUser, path: str) -> str:
    return await run_in_own_thread(user.uid, partial(_open_and_name, user, path), _PATIENCE)


def _open_and_name(user: HostUser, path: str) -> str:
    descriptor = open_as(user, path, _FLAGS)
    try:
        if os.fstat(descriptor).st_nlink == 0:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return os.readlink(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


def _make(directories: Sequence[str]) -> None:
    for directory in directories:
        try:
            os.mkdir(directory)
        except FileExistsError:  # somebody else was faster
            continue
        made = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:  # our umask lets nobody else in
            os.fchmod(made, stat.S_IMODE(os.fstat(made).st_mode) | _MODE)
        finally:
            os.close(made)


def _remove(directories: Sequence[str]) -> None:
    for directory in reversed(directories):
        with suppress(OSError):
            os.rmdir(directory)
