# SPDX-License-Identifier: GPL-3.0-or-later
"""Be told when files of the host change: also when they are replaced, come, go, or are links."""

import asyncio
import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterable

from kapsule.linux import inotify

_CHANGES = (
    inotify.CLOSE_WRITE
    | inotify.MOVED_FROM
    | inotify.MOVED_TO
    | inotify.CREATE
    | inotify.DELETE
    | inotify.DELETE_SELF
    | inotify.MOVE_SELF
)
_ANY_NAME = inotify.IGNORED | inotify.Q_OVERFLOW | inotify.MOVE_SELF
_LONGEST_CHAIN = 40  # symbolic links that the kernel follows: path_resolution(7)
_POLL_INTERVAL = 2.0  # seconds

log = logging.getLogger(__name__)

Places = dict[str, set[str]]


async def follow_files(paths: Iterable[str], changed: Callable[[], object]) -> None:
    """Call changed whenever one of the files may have changed, for ever; and once at first.

    paths: absolute; none has to exist. Where the kernel refuses to watch, changed is called every
    two seconds instead.
    """
    wanted = tuple(paths)
    try:
        queue = inotify.open_queue()
    except OSError as error:
        log.warning("Files cannot be watched, so they are read again and again: %s", error)
        await _poll(changed)
        return
    try:
        await _Watch(queue, wanted).follow(changed)
    finally:
        os.close(queue)


def places(paths: Iterable[str]) -> Places:
    """Return which names to watch in which directories to know of every change to the paths.

    That is each link on the way to the file; and of what does not exist, the first part missing.
    """
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path in paths:
        for _ in range(_LONGEST_CHAIN):
            directory, name = _nearest(os.path.normpath(path))
            found[directory].add(name)
            try:
                path = os.path.join(os.path.dirname(path), os.readlink(path))
            except OSError:
                break
    return dict(found)


def _nearest(path: str) -> tuple[str, str]:
    directory, name = os.path.split(path)
    while directory != "/" and not os.path.isdir(directory):
        directory, name = os.path.split(directory)
    return directory, name


async def _poll(changed: Callable[[], object]) -> None:
    while True:
        await asyncio.sleep(_POLL_INTERVAL)
        changed()


class _Watch:
    """The watches of one queue. directories: which directory each of them is for."""

    def __init__(self, queue: int, paths: tuple[str, ...]) -> None:
        self._queue = queue
        self._paths = paths
        self._directories: dict[int, str] = {}
        self._names: Places = {}

    async def follow(self, changed: Callable[[], object]) -> None:
        self._arrange()
        changed()  # as it may have before it was watched
        arrived = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._queue, arrived.set)
        try:
            while True:
                await arrived.wait()
                arrived.clear()
                if any(map(self._matters, _read(self._queue))):
                    self._arrange()
                    changed()
        finally:
            loop.remove_reader(self._queue)

    def _matters(self, event: inotify.Event) -> bool:
        directory = self._directories.get(event.watch, "")
        return bool(event.mask & _ANY_NAME) or event.name in self._names.get(directory, ())

    def _arrange(self) -> None:
        """Watch what has to be watched now, and nothing else."""
        self._names = places(self._paths)
        now: dict[int, str] = {}
        for directory in self._names:
            try:
                now[inotify.add_watch(self._queue, directory, _CHANGES)] = directory
            except OSError as error:
                log.warning("%s cannot be watched: %s", directory, error)
        for watch in self._directories.keys() - now.keys():
            try:
                inotify.remove_watch(self._queue, watch)
            except OSError:
                continue  # the directory is gone, and its watch with it
        self._directories = now


def _read(queue: int) -> list[inotify.Event]:
    try:
        return inotify.read_events(queue)
    except BlockingIOError:
        return []
