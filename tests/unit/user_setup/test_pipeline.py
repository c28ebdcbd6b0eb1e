# SPDX-License-Identifier: GPL-3.0-or-later
"""User set-up against real files below a directory that stands for the container's root."""

import os
import pickle
import stat
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import TypeVar, cast

import pytest

from kapsule import names
from kapsule.containers.backend import Backend
from kapsule.containers.guest import Guests
from kapsule.containers.registry import Registry
from kapsule.errors import GuestError, IncusError, InvalidArgument
from kapsule.host.users import HostUser
from kapsule.incus.client import IncusClient
from kapsule.incus.urls import path
from kapsule.session import guest_files, guest_reading
from kapsule.session.guest_actions import Action, GuestFile
from kapsule.testing.fake_incus import (
    SUCCESS,
    WAIT_PATH,
    FakeIncus,
    background,
    error,
    operation,
    sync,
)
from kapsule.testing.recording_progress import RecordingProgress
from kapsule.user_setup import USER_SETUP, set_up_user

from .guests import UBUNTU, host_user, texts

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="changes the root directory")

DEV = path("instances", "dev")
MAPPED = names.key_mapped(1000)
Result = TypeVar("Result")


class DirectoryGuests(Guests):
    """A guest that is a directory. meanwhile: called once, before the next change."""

    def __init__(self, incus: IncusClient, root: Path) -> None:
        super().__init__(incus)
        self.root = root
        self.meanwhile: Callable[[], None] | None = None
        self.applied: list[list[Action]] = []

    async def read(self, name: str, paths: Sequence[str]) -> dict[str, GuestFile | None]:
        """Read in a process whose root directory is the guest's."""
        return self._inside(lambda: guest_reading.read_files(paths))

    async def apply(self, name: str, actions: Sequence[Action]) -> list[Action]:
        """Change in a process whose root directory is the guest's."""
        if self.meanwhile:
            self.meanwhile()
            self.meanwhile = None
        self.applied.append(list(actions))
        return self._inside(lambda: guest_files.apply(actions))

    def _inside(self, work: Callable[[], Result]) -> Result:
        reading, writing = os.pipe()
        if os.fork() == 0:
            try:
                os.write(writing, pickle.dumps(self._outcome(work)))
            finally:
                os._exit(0)  # whatever happens, there is no second pytest
        os.close(writing)
        with open(reading, "rb") as pipe:
            outcome = pickle.load(pipe)
        os.wait()
        if isinstance(outcome, Exception):
            raise outcome
        return cast(Result, outcome)

    def _outcome(self, work: Callable[[], object]) -> object:
        os.chroot(self.root)
        try:
            return work()
        except OSError as failure:
            return GuestError(str(failure))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The files of a guest like Ubuntu's image."""
    for directory in ("etc/skel", "etc/sudoers.d", "bin", "root"):
        (tmp_path / "guest" / directory).mkdir(parents=True)
    etc = tmp_path / "guest/etc"
    for name, text in zip(("passwd", "group", "shadow", "gshadow"), texts(UBUNTU), strict=True):
        (etc / name).write_text(text or "")
    (etc / "shadow").chmod(0o640)
    os.chown(etc / "shadow", 0, 42)
    (etc / "subuid").write_text("ubuntu:100000:65536\n")
    (etc / "skel/.bashrc").write_text("# bash\n")
    (etc / "sudoers").write_text("root ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n")
    (tmp_path / "guest/bin/bash").write_text("#!")
    (tmp_path / "guest/bin/bash").chmod(0o755)
    return tmp_path / "guest"


@pytest.fixture
async def incus(tmp_path: Path) -> AsyncIterator[FakeIncus]:
    """An Incus with the container, whose configuration can be changed."""
    instance = {"name": "dev", "status": "Running", "config": {names.KEY_OWNER: "1000"}}
    async with FakeIncus(str(tmp_path / "incus.socket")) as fake:
        fake.on("GET", DEV, sync(instance, etag="1"))
        fake.on("PUT", DEV, background())
        fake.on("GET", WAIT_PATH, operation(SUCCESS))
        yield fake


@pytest.fixture
async def backend(incus: FakeIncus, root: Path) -> AsyncIterator[Backend]:
    """The scripted Incus, and the directory as guest."""
    client = IncusClient(incus.socket_path)
    yield Backend(client, Registry(client), DirectoryGuests(client, root))
    await client.close()


def guests(backend: Backend) -> DirectoryGuests:
    """Return the guests of this test."""
    assert isinstance(backend.guests, DirectoryGuests)
    return backend.guests


async def set_up(backend: Backend, user: HostUser | None = None) -> None:
    """Set alice up."""
    await set_up_user(backend, "dev", user or host_user(), RecordingProgress())


def config_put(incus: FakeIncus) -> dict[str, str]:
    """Return the configuration that Incus was given."""
    (config,) = [each.body["config"] for each in incus.seen if each.method == "PUT"]
    assert isinstance(config, dict)
    return config


def snapshot(root: Path) -> dict[str, tuple[int, int, int, str]]:
    """Return all that there is to know about the guest, but for the lock that is always there."""
    found = {}
    for each in sorted(root.rglob("*")):
        state = each.lstat()
        content = each.read_text() if stat.S_ISREG(state.st_mode) else ""
        found[str(each)] = (state.st_mode, state.st_uid, state.st_gid, content)
    found.pop(str(root / "etc/.pwd.lock"), None)
    return found


async def test_the_user_is_set_up(backend: Backend, incus: FakeIncus, root: Path) -> None:
    """Account, home and sudo are there after one change of the files, and the mark is set."""
    await set_up(backend)
    assert "\nalice:x:1000:1000::/home/alice:/bin/bash\n" in (root / "etc/passwd").read_text()
    shadow = (root / "etc/shadow").stat()
    assert (stat.S_IMODE(shadow.st_mode), shadow.st_gid) == (0o640, 42)
    home = (root / "home/alice").stat()
    assert (stat.S_IMODE(home.st_mode), home.st_uid, home.st_gid) == (0o700, 1000, 1000)
    assert (root / "home/alice/.bashrc").stat().st_uid == 1000
    rule = root / "etc/sudoers.d/alice"
    assert rule.read_text() == "#1000 ALL=(ALL:ALL) NOPASSWD: ALL\n"
    assert stat.S_IMODE(rule.stat().st_mode) == 0o440
    assert (root / "etc/subuid").read_text() == "alice:100000:65536\n"
    assert len(guests(backend).applied) == 1
    assert config_put(incus) == {names.KEY_OWNER: "1000", MAPPED: "true"}


async def test_a_second_run_changes_nothing(backend: Backend, root: Path) -> None:
    """What is right is left alone, to the inode."""
    await set_up(backend)
    before = snapshot(root)
    await set_up(backend)
    assert snapshot(root) == before
    assert len(guests(backend).applied) == 1


async def test_root_is_only_marked(backend: Backend, incus: FakeIncus, root: Path) -> None:
    """Root has an account and a home in every guest, and needs no sudo."""
    before = snapshot(root)
    await set_up(backend, host_user("root", 0, 0, home="/root", group_name="root"))
    assert snapshot(root) == before
    assert config_put(incus)[names.key_mapped(0)] == "true"


async def test_a_mark_that_cannot_be_set_undoes_everything(
    backend: Backend, incus: FakeIncus, root: Path
) -> None:
    """Whatever fails, the guest is as it was before."""
    before = snapshot(root)
    incus.on("PUT", DEV, error(500, "no space left"))
    with pytest.raises(IncusError, match="no space left"):
        await set_up(backend)
    assert snapshot(root) == before


async def test_a_file_that_cannot_be_written_undoes_everything(
    backend: Backend, incus: FakeIncus, root: Path
) -> None:
    """The account is not made when the rule for sudo cannot be, and no mark is set."""
    (root / "etc/sudoers.d").rmdir()
    (root / "etc/sudoers.d").write_text("a file")
    before = snapshot(root)
    with pytest.raises(GuestError, match=r"sudoers\.d/alice"):
        await set_up(backend)
    assert snapshot(root) == before
    assert incus.count("PUT", DEV) == 0
    (root / "etc/sudoers.d").unlink()
    await set_up(backend)
    assert incus.count("PUT", DEV) == 1


async def test_a_change_in_between_is_not_lost(backend: Backend, root: Path) -> None:
    """When somebody adds a user between plan and change, the plan is made again."""

    def add_user() -> None:
        with open(root / "etc/passwd", "a") as passwd:
            passwd.write("bob:x:1001:1001::/home/bob:/bin/sh\n")

    guests(backend).meanwhile = add_user
    await set_up(backend)
    text = (root / "etc/passwd").read_text()
    assert "\nalice:x:1000:" in text
    assert "\nbob:x:1001:" in text
    assert len(guests(backend).applied) == 2


@pytest.mark.parametrize("name", ["passwd", "group", "shadow", "gshadow", "subuid"])
async def test_an_account_file_that_is_none_is_an_error(
    backend: Backend, root: Path, name: str
) -> None:
    """A link, or a file that holds more than text, is not replaced by what was read of it."""
    (root / "etc" / name).write_bytes(b"root:x:0:0\0")
    before = snapshot(root)
    with pytest.raises(GuestError, match=f"/etc/{name}"):
        await set_up(backend)
    assert snapshot(root) == before


async def test_a_guest_without_anything_gets_an_account(backend: Backend, root: Path) -> None:
    """No passwd, no shadow, no sudo, no skeleton, no shell: what can be is made."""
    for name in ("passwd", "group", "shadow", "gshadow", "subuid", "sudoers", "skel/.bashrc"):
        (root / "etc" / name).unlink()
    (root / "etc/sudoers.d").rmdir()
    (root / "etc/skel").rmdir()
    (root / "bin/bash").unlink()
    await set_up(backend)
    assert (root / "etc/passwd").read_text() == "alice:!:1000:1000::/home/alice:/bin/sh\n"
    assert (root / "etc/group").read_text() == "alice:x:1000:\n"
    assert stat.S_IMODE((root / "etc/sudoers.d").stat().st_mode) == 0o750
    assert sorted(os.listdir(root / "etc")) == [
        *(".pwd.lock", "containers", "group", "passwd", "sudoers.d"),
    ]


async def test_an_impossible_name_reaches_no_guest(backend: Backend, root: Path) -> None:
    """It is refused before anything is read or changed."""
    before = snapshot(root)
    with pytest.raises(InvalidArgument):
        await set_up(backend, host_user("a:0:0"))
    assert snapshot(root) == before
    assert guests(backend).applied == []


def test_the_steps_are_in_order() -> None:
    """The guest is read first, changed once, and marked last."""
    assert [step.name for step in USER_SETUP.steps] == [
        "read_guest",
        "plan_account",
        "plan_groups",
        "plan_home",
        "plan_sudo",
        "plan_subordinate_ids",
        "plan_linger",
        "plan_podman",
        "apply",
        "mark_set_up",
    ]
