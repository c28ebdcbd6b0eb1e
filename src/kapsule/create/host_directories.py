# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories of the host, with the rights of the user who wants to share them."""

import asyncio
import errno
import os
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from functools import partial

from kapsule.create.mounts import clean, steps_down
from kapsule.errors import InvalidArgument
from kapsule.host.patience import run_in_own_thread
from kapsule.host.users import HostUser
from kapsule.linux.as_user import open_as

_PATIENCE = 10.0  # seconds for a file system that does not answer
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK


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


async def missing_directories(user: HostUser, path: str) -> tuple[str, ...]:
    """Return those of path and what leads to it in the user's home that are not there."""
    missing = []
    for directory in steps_down(path, clean(user.home)):
        try:
            await _real_path(user, directory)
        except FileNotFoundError:
            missing.append(directory)
        except OSError:
            continue
    return tuple(missing)


async def make_directories(user: HostUser, directories: Sequence[str]) -> None:
    """Make directories as the user, the outermost first. Raises InvalidArgument."""
    complaint = await _run_as(user, "mkdir", "-p", "--", *directories)
    if complaint:
        raise InvalidArgument(
            f"{directories[-1]} cannot be made: {complaint}",
            hint="Make the directory first, or leave it out",
        )


async def remove_directories(user: HostUser, directories: Sequence[str]) -> None:
    """Remove directories as the user, given the outermost first. What is not empty stays."""
    if directories:
        await _run_as(user, "rmdir", "--", *reversed(directories))


async def _real_path(user: HostUser, path: str) -> str:
    return await run_in_own_thread(partial(_open_and_name, user, path), _PATIENCE)


def _open_and_name(user: HostUser, path: str) -> str:
    descriptor = open_as(user, path, _FLAGS)
    try:
        if os.fstat(descriptor).st_nlink == 0:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return os.readlink(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


async def _run_as(user: HostUser, *words: str) -> str:
    """Run a program with the user's rights; return what it says when it fails, else ""."""
    process = await asyncio.create_subprocess_exec(
        *words,
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        cwd="/",
        env={"PATH": os.defpath, "LC_ALL": "C"},
        user=user.uid,
        group=user.gid,
        extra_groups=user.groups,
    )
    try:
        _, said = await asyncio.wait_for(process.communicate(), _PATIENCE)
    except TimeoutError:
        process.kill()
        return os.strerror(errno.ETIMEDOUT)
    except BaseException:
        process.kill()
        raise
    return said.decode(errors="replace").strip() if process.returncode else ""
