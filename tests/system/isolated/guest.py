# SPDX-License-Identifier: GPL-3.0-or-later
"""An isolated container of alice's, seen from the host, by its root, and by her."""

import ctypes
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.system.support.traces import until
from tests.system.support.users import Result, User, incus


class Mount(NamedTuple):
    """A line of the container's mount table: proc_pid_mountinfo(5)."""

    identity: int
    point: str
    options: frozenset[str]
    kind: str


class Guest:
    """The container."""

    def __init__(self, name: str, user: User) -> None:
        self.name = name
        self.user = user

    def create(self, *options: str, trust: str = "project", image: str = "debian") -> None:
        """Create it."""
        words = ("create", self.name, "--image", f"local:{image}", "--trust", trust, *options)
        result = self.user.kapsule(*words)
        assert result.code == 0, result.error
        assert "Warning" not in result.error, result.error

    def enter(self, *command: str, **arguments: object) -> Result:
        """Run a command in it as its owner."""
        return self.user.kapsule("enter", self.name, "--", *command, **arguments)

    def shell(self, script: str) -> str:
        """Run a script in it as its owner, which must not fail nor say anything about the way."""
        result = self.enter("sh", "-ec", script)
        assert (result.code, result.error) == (0, ""), f"{script}: {result.text} {result.error}"
        return result.text

    def as_root(self, script: str, *, check: bool = True) -> str:
        """Run a script in it as its root, without Kapsule; return all that it prints."""
        words = ("exec", self.name, "--", "sh", "-c", f"exec 2>&1; {'set -e;' * check} {script}")
        return incus(*words, check=check).strip()

    def init(self) -> int:
        """Return the process id of its init on the host."""
        # Incus has no answer, but an error, in the moment of a restart.
        state = incus("query", f"/1.0/instances/{self.name}/state", check=False)
        return int(json.loads(state)["pid"]) if state else 0

    def mount_at(self, point: str) -> Mount | None:
        """Return what is mounted at a place in it, the uppermost; None where nothing is."""
        found = [mount for mount in self.mounts() if mount.point == point]
        return found[-1] if found else None

    def mounts(self) -> list[Mount]:
        """Return its mount table."""
        with suppress(OSError, ValueError):
            lines = Path(f"/proc/{self.init()}/mountinfo").read_text().splitlines()
            return [_parse(line) for line in lines]
        return []

    def wait_for_mount(self, point: str) -> Mount:
        """Wait until something is mounted at a place in it; return it."""
        until(lambda: self.mount_at(point))
        mount = self.mount_at(point)
        assert mount
        return mount

    def delete(self) -> None:
        """Delete it."""
        incus("delete", "--force", self.name, check=False)


def folder(user: User, name: str, *, content: str = "from the host") -> Path:
    """Make a directory in the user's home, with a file `note` in it."""
    path = Path(user.account.pw_dir, name)
    user.run("mkdir", "-p", str(path))
    (path / "note").write_text(content)
    os.chown(path / "note", user.account.pw_uid, user.account.pw_gid)
    return path


@contextmanager
def mounted(kind: str, point: Path, *, owner: User | None = None) -> Iterator[None]:
    """Have a new file system of that kind mounted on the host within the block."""
    point.mkdir(exist_ok=True)
    assert os.system(f"mount -t {kind} {kind} {point}") == 0
    if owner:
        os.chown(point, owner.account.pw_uid, owner.account.pw_gid)
    try:
        yield
    finally:
        os.system(f"umount --lazy {point}")


@contextmanager
def hanging(point: Path) -> Iterator[None]:
    """Have a file system on the host within the block that never answers: FUSE, without a hello."""
    server = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={server},rootmode=40000,user_id=0,group_id=0,allow_other"
    libc = ctypes.CDLL(None)
    assert libc.mount(b"hangs", str(point).encode(), b"fuse", 0, options.encode()) == 0
    try:
        yield
    finally:
        os.close(server)
        os.system(f"umount --lazy {point}")


def _parse(line: str) -> Mount:
    before, _, after = line.partition(" - ")
    fields = before.split(" ")
    options = frozenset(fields[5].split(","))
    return Mount(int(fields[0]), fields[4], options, after.split(" ")[0])
