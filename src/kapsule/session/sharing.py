# SPDX-License-Identifier: GPL-3.0-or-later
"""Put in place inside a container what it shares of the host, each session anew.

A file or a directory in the container is compared with the host's by device and inode, a copy by
its content, so that a restarted compositor is mounted again, and nothing is done where nothing
changed. What is missing is put in place in one go, by a process of ours (session/mounter.py).
"""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from kapsule.linux import mounts, paths
from kapsule.session import border, bus_proxy, copies, directories, mounter, runs, sources
from kapsule.session.directories import Directory
from kapsule.session.folders import Folder, is_below
from kapsule.session.mounter import Ground, Piece
from kapsule.session.places import Maker
from kapsule.session.shares import FILE, Share
from kapsule.session.sources import Caller, Source

_NOWHERE_ELSE = paths.RESOLVE_IN_ROOT | paths.RESOLVE_NO_MAGICLINKS | paths.RESOLVE_NO_SYMLINKS
_LOCK = "mounts"


class Plan(NamedTuple):
    """What shall be shared with a container.

    caller: whose it is. folders: directories, the outer before the inner. owned: directories of
    the container that are made as the caller's where they are missing, with all that is in them.
    """

    caller: Caller
    shares: tuple[Share, ...] = ()
    folders: tuple[Folder, ...] = ()
    owned: tuple[str, ...] = ()


class Shared(NamedTuple):
    """What came of it. variables: to set in the session. notes: what the user should know."""

    variables: dict[str, str]
    notes: list[str]


def share(plan: Plan, init: int, pidfd: int) -> Shared:
    """Share with a container what is planned. init, pidfd: the container's init.

    Raises ProcessLookupError when the container has stopped, OSError.
    """
    with _while_it_runs(pidfd):
        return _share(plan, init, pidfd)


def unshare(targets: Iterable[str], init: int, pidfd: int) -> list[str]:
    """Take away what a container shows at targets; return what could not be, in words.

    Raises as share() does.
    """
    with _while_it_runs(pidfd):
        ground = Ground(pidfd, mounter.is_isolated(init), Maker(0, 0, ()))
        with runs.locked(init, _LOCK):
            return list(mounter.take_away(list(targets), ground).values())


@contextmanager
def _while_it_runs(pidfd: int) -> Iterator[None]:
    """Take failures for the end of the container where that is what happened."""
    try:
        yield
    except OSError as error:
        if border.is_alive(pidfd):
            raise
        raise ProcessLookupError("The container has stopped") from error


def _share(plan: Plan, init: int, pidfd: int) -> Shared:
    signal.alarm(mounter.PATIENCE)  # ends this process: a look at files can take for ever
    shares = bus_proxy.with_proxies(plan.shares, plan.caller, init, pidfd)
    with (
        directories.opened(plan.folders, plan.caller) as (folders, gone),
        sources.opened(shares, plan.caller) as (found, notes),
    ):
        failed = _put_missing(folders, found, plan, init, pidfd)
        signal.alarm(0)
        variables = {
            source.share.variable: source.share.value
            for source in found
            if source.share.variable and source.share.target not in failed
        }
        return Shared(variables, [*gone, *notes, *failed.values()])


def _put_missing(
    folders: list[Directory], found: list[Source], plan: Plan, init: int, pidfd: int
) -> dict[str, str]:
    """Put in place what is not; return by target why which could not be."""
    if not _missing(folders, found, plan, init):
        return {}
    maker = Maker(plan.caller.uid, plan.caller.gid, plan.owned)
    with runs.locked(init, _LOCK):  # two sessions may begin at once
        pieces = _missing(folders, found, plan, init)
        signal.alarm(0)  # the mounter is watched over
        if not pieces:
            return {}
        return mounter.put(_cloned(pieces), Ground(pidfd, mounter.is_isolated(init), maker))


def _missing(
    folders: list[Directory], found: list[Source], plan: Plan, init: int
) -> list[Directory | Source]:
    missing: list[Directory | Source] = []
    hidden: list[str] = []  # what lies in a directory that is mounted anew is hidden by it
    root = os.open(f"/proc/{init}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for each in folders:
            if is_below(each.folder.target, hidden) or not _shows(each, root):
                missing.append(each)
                hidden.append(each.folder.target)
        missing += [each for each in found if not _is_in_place(each, root, plan.caller)]
    finally:
        os.close(root)
    return missing


def _shows(directory: Directory, root: int) -> bool:
    try:
        target = paths.open_at(root, directory.folder.target, os.O_PATH, _NOWHERE_ELSE)
    except OSError:
        return False
    try:
        status = os.fstat(target)
        is_read_only = bool(os.fstatvfs(target).f_flag & os.ST_RDONLY)
    finally:
        os.close(target)
    is_same = (status.st_dev, status.st_ino) == directory.file
    return is_same and (is_read_only or not directory.folder.read_only)


def _is_in_place(source: Source, root: int, caller: Caller) -> bool:
    try:
        target = paths.open_at(root, source.share.target, os.O_PATH, _NOWHERE_ELSE)
    except OSError:
        return False
    try:
        if source.copy is not None:
            return copies.is_copy(target, source.copy, caller.uid)
        status = os.fstat(target)
        return (status.st_dev, status.st_ino) == source.file
    finally:
        os.close(target)


def _cloned(missing: list[Directory | Source]) -> list[Piece]:
    return [_folder(each) if isinstance(each, Directory) else _piece(each) for each in missing]


def _folder(directory: Directory) -> Piece:
    folder = directory.folder
    tree = mounts.clone_tree(directory.descriptor, read_only=folder.read_only)
    return Piece(folder.target, tree, is_directory=True)


def _piece(source: Source) -> Piece:
    target = source.share.target
    if source.copy is not None:
        return Piece(target, copy=source.copy)
    read_only = source.share.kind == FILE
    return Piece(target, mounts.clone(source.descriptor, read_only=read_only))
