# SPDX-License-Identifier: GPL-3.0-or-later
"""Let root hand an id of the host to a user namespace: subuid(5), subgid(5).

Where newuidmap(1) is installed, liblxc maps no id that these files do not give to root.
"""

import asyncio
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kapsule.errors import Busy, NotSupported

_FILES = (("subuid", "uid"), ("subgid", "gid"))
_OWNERS = ("root", "0")
_FEW = 65_536  # what one container takes at least
_PATIENCE = 5.0  # seconds for another program that changes the file
_PAUSE = 0.05

_turn = threading.Lock()  # of our own threads


async def delegate(uid: int, gid: int, etc: Path = Path("/etc")) -> None:
    """Have /etc/subuid and /etc/subgid give root the one uid and the one gid; 0 is never given.

    Raises NotSupported where root has no range of ids at all, Busy when somebody else keeps the
    files locked, NotSupported when they cannot be written.
    """
    await asyncio.to_thread(_delegate, {"uid": uid, "gid": gid}, etc)


def _delegate(numbers: dict[str, int], etc: Path) -> None:
    for file, kind in _FILES:
        path = etc / file
        number = numbers[kind]
        try:
            if number and not _covers(_ranges(path), number):
                with _locked(path):
                    _append(path, f"root:{number}:1\n")
        except OSError as error:
            raise NotSupported(
                f"{path} cannot be changed: {error.strerror}",
                hint=f"Isolated containers need the line root:{number}:1 in it",
            ) from error
        _check_range(path)


def _check_range(path: Path) -> None:
    ranges = _ranges(path)
    if ranges and not any(count >= _FEW for _, count in ranges):
        raise NotSupported(
            f"{path} gives root no range of ids, so containers cannot be isolated",
            hint=f"Add root:1000000:1000000000 to {path}, and restart Incus",
        )


def _ranges(path: Path) -> list[tuple[int, int]]:
    """Return start and count of each range that is root's; none where there is no such file."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    fields = (line.strip().split(":") for line in lines)
    return [
        (int(each[1]), int(each[2]))
        for each in fields
        if len(each) == 3 and each[0] in _OWNERS and each[1].isdecimal() and each[2].isdecimal()
    ]


def _covers(ranges: list[tuple[int, int]], number: int) -> bool:
    # Without any line for root, or without the file, liblxc does not ask.
    return not ranges or any(start <= number < start + count for start, count in ranges)


def _append(path: Path, line: str) -> None:
    """Add a line; nobody ever sees half a file."""
    before = path.read_bytes()
    status = path.stat()
    separator = b"" if not before or before.endswith(b"\n") else b"\n"
    handle, name = tempfile.mkstemp(prefix=path.name + ".", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(before + separator + line.encode())
            os.fchown(handle, status.st_uid, status.st_gid)
            os.fchmod(handle, status.st_mode & 0o7777)
            os.fsync(handle)
        os.rename(name, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(name)
        raise


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock that shadow's programs take: a file beside it with the pid of who has it.

    As with them, it appears with the pid in it, and one of a process that is gone is none: whoever
    is killed, or loses power, leaves it behind (lib/commonio.c of shadow).
    """
    lock = path.with_name(path.name + ".lock")
    with _turn, _lock_file(lock, path):
        yield


@contextmanager
def _lock_file(lock: Path, path: Path) -> Iterator[None]:
    handle, own = tempfile.mkstemp(prefix=lock.name + ".", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(b"%d\0" % os.getpid())  # the NUL is shadow's, too
        _take(own, lock, path)
    finally:
        os.unlink(own)
    try:
        yield
    finally:
        os.unlink(lock)


def _take(own: str, lock: Path, path: Path) -> None:
    """Make the file `own` the lock as well, as soon as nobody has it. Raises Busy."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            os.link(own, lock)
            return
        except FileExistsError:
            if _is_left_behind(lock):
                with suppress(FileNotFoundError):
                    os.unlink(lock)
            elif time.monotonic() > deadline:
                raise Busy(
                    f"Another program keeps {path} locked", hint=f"If none does, remove {lock}"
                ) from None
            else:
                time.sleep(_PAUSE)


def _is_left_behind(lock: Path) -> bool:
    """Whether a lock names a process that is gone. What names none is left to an administrator."""
    try:
        pid = int(lock.read_bytes().rstrip(b"\0\n"))
        if pid != os.getpid():  # we have none: it is of one who had our number before us
            os.kill(pid, 0)
            return False
    except ProcessLookupError:
        return True
    except (OSError, ValueError, OverflowError):
        return False
    return True
