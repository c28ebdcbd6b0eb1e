# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders come and go while an isolated container runs, and come back however it starts."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.isolated.guest import Guest, folder
from tests.system.support.box import DAEMON, systemctl
from tests.system.support.traces import until
from tests.system.support.users import User, incus


@pytest.fixture
def path(alice: User) -> Iterator[Path]:
    """A folder in alice's home."""
    path = folder(alice, "come and go/folder")
    yield path
    shutil.rmtree(path.parent)


@pytest.mark.main
def test_a_folder_is_added_and_taken_away(new_guest: Guest, alice: User, path: Path) -> None:
    """At once, with no device of Incus's, and a restart of the daemon changes nothing."""
    new_guest.create()
    added = alice.kapsule("mount", new_guest.name, f"{path}:ro")
    assert added.code == 0, added.error
    assert new_guest.shell(f"cat '{path}/note'; stat -c %U '{path.parent}'") == "from the hostalice"
    assert new_guest.enter("touch", f"{path}/x").code == 1
    assert "disk" not in incus("config", "device", "list", new_guest.name).replace("root", "")
    systemctl("restart", DAEMON)
    removed = alice.kapsule("unmount", new_guest.name, str(path))
    assert removed.code == 0, removed.error
    assert new_guest.shell(f"ls -A '{path}'") == ""
    assert "custom-mounts" not in incus("config", "show", new_guest.name)
    again = alice.kapsule("mount", new_guest.name, str(path))
    assert again.code == 0, again.error
    new_guest.shell(f"touch '{path}/x'")
    assert alice.kapsule("restart", new_guest.name).code == 0
    assert new_guest.shell(f"ls '{path}/x'")


def test_sessions_that_begin_while_a_folder_is_taken_away(
    new_guest: Guest, alice: User, path: Path
) -> None:
    """None of them leaves it in the container."""
    new_guest.create()
    point = str(path).replace(" ", "\\040")
    for pause in (0.0, 0.05, 0.1, 0.2):
        assert alice.kapsule("mount", new_guest.name, str(path)).code == 0
        new_guest.as_root(f"umount '{path}'")  # so that each session puts it in place anew
        words = ("kapsule", "enter", new_guest.name, "--", "true")
        sessions = [alice.popen(*words, stdin=subprocess.DEVNULL) for _ in range(4)]
        time.sleep(pause)
        removed = alice.kapsule("unmount", new_guest.name, str(path))
        assert removed.code == 0, removed.error
        assert [each.wait() for each in sessions] == [0] * len(sessions)
        assert new_guest.mount_at(point) is None


def test_a_folder_is_taken_away_that_its_root_covered(
    new_guest: Guest, alice: User, path: Path
) -> None:
    """Whatever lies on top goes with it; and one that is gone already is no error."""
    new_guest.create("--custom-mounts", str(path))
    new_guest.as_root("mount -t tmpfs tmpfs '/home/alice/come and go/folder'")
    assert alice.kapsule("unmount", new_guest.name, str(path)).code == 0
    assert new_guest.mount_at(str(path).replace(" ", "\\040")) is None
    assert alice.kapsule("mount", new_guest.name, str(path)).code == 0
    new_guest.as_root("umount '/home/alice/come and go/folder'")
    assert alice.kapsule("unmount", new_guest.name, str(path)).code == 0


def test_a_folder_that_its_root_holds_on_to(new_guest: Guest, alice: User, path: Path) -> None:
    """What is still there is not said to be gone; when the container is stopped, it goes."""
    new_guest.create("--custom-mounts", str(path))
    # Private, or each would double what is there: mount_namespaces(7).
    new_guest.as_root(f"mount --make-private '{path}'")
    new_guest.as_root(f"for i in $(seq 17); do mount --bind '{path}' '{path}'; done")
    kept = alice.kapsule("unmount", new_guest.name, str(path))
    assert kept.code == 1
    assert "cannot be taken out of the container" in kept.error
    assert "custom-mounts" in incus("config", "show", new_guest.name)
    assert alice.kapsule("stop", "--force", new_guest.name).code == 0
    assert alice.kapsule("unmount", new_guest.name, str(path)).code == 0
    assert alice.kapsule("start", new_guest.name).code == 0
    assert new_guest.mount_at(str(path).replace(" ", "\\040")) is None


def test_a_mount_that_cannot_be_leaves_nothing(new_guest: Guest, alice: User, path: Path) -> None:
    """Where the guest has a file in the way, the folder is not written down either."""
    new_guest.create()
    new_guest.as_root("touch '/home/alice/come and go'")
    result = alice.kapsule("mount", new_guest.name, str(path))
    assert result.code == 1
    assert "cannot be put in place" in result.error
    assert "custom-mounts" not in incus("config", "show", new_guest.name)


@pytest.mark.main
@pytest.mark.parametrize("way", ["incus", "reboot", "unknown to the daemon"])
def test_whoever_starts_it(new_guest: Guest, alice: User, path: Path, way: str) -> None:
    """The folders are there without anybody having entered."""
    new_guest.create("--custom-mounts", str(path))
    point, init = str(path).replace(" ", "\\040"), new_guest.init()
    if way == "incus":
        incus("restart", "--force", new_guest.name)
    elif way == "reboot":
        new_guest.as_root("systemctl reboot", check=False)
    else:
        systemctl("stop", DAEMON)
        incus("restart", "--force", new_guest.name)
        assert new_guest.mount_at(point) is None
        systemctl("start", DAEMON)
    until(lambda: new_guest.init() not in (0, init))
    assert {"nosuid", "nodev"} <= new_guest.wait_for_mount(point).options
    assert Path(f"/proc/{new_guest.init()}/root{path}/note").read_text() == "from the host"
