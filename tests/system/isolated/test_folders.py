# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders of the host in an isolated container hold against its root."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from tests.system.isolated.guest import Guest, folder, hanging
from tests.system.support.users import User


@pytest.mark.main
def test_a_folder_can_be_written_to(guest: Guest, alice: User, writable: Path) -> None:
    """What the user makes in it is theirs on both sides."""
    guest.shell(f"cd {writable}; cat note; echo from the guest > made; mkdir below")
    made = writable / "made"
    assert made.read_text() == "from the guest\n"
    assert (made.stat().st_uid, made.stat().st_gid) == (alice.account.pw_uid, alice.account.pw_gid)
    made.write_text("changed")
    assert guest.shell(f"cat {made}; stat -c %U:%G {made}") == "changedalice:alice"


@pytest.mark.main
def test_what_is_mounted_in_it_comes_along(guest: Guest, writable: Path, readable: Path) -> None:
    """Also into a folder that is shared for reading only."""
    assert guest.shell(f"cat {writable}/inner/note") == "mounted in it"
    inner = guest.mount_at(f"{readable}/inner")
    assert inner
    assert {"ro", "nosuid", "nodev"} <= inner.options


@pytest.mark.main
def test_the_hosts_kernel_does_not(guest: Guest, writable: Path) -> None:
    """A /proc of the host that lies in a folder would lead to the host's processes."""
    assert os.listdir(writable / "kernel")
    assert guest.shell(f"ls {writable}/kernel") == ""
    assert guest.mount_at(f"{writable}/kernel") is None


@pytest.mark.main
@pytest.mark.parametrize("place", ["", "/inner"])
@pytest.mark.parametrize(
    "attempt",
    [
        "mount -o remount,rw,bind {}",
        "mount -o remount,rw {}",
        "mount --bind {} /mnt && mount -o remount,rw,bind /mnt && cd /mnt",
        "unshare --mount mount -o remount,rw,bind {}",
        "mount -t overlay -o lowerdir=/etc,upperdir={},workdir={} none /mnt",
        "chmod 777 {}",
        "mount -o remount,ro,suid,bind {}",
        "mount -o remount,ro,dev,bind {}",
    ],
)
def test_its_root_cannot_write_to_what_is_read_only(
    guest: Guest, readable: Path, attempt: str, place: str
) -> None:
    """Neither by changing the mount nor by a mount of its own."""
    path = f"{readable}{place}"
    words = attempt.format(path, path)
    told = guest.as_root(f"{words} && touch ./planted {path}/planted; echo $?", check=False)
    guest.as_root("umount /mnt", check=False)
    assert told.splitlines()[-1] != "0", told
    assert not (Path(path) / "planted").exists()
    mount = guest.mount_at(path)
    assert mount
    assert {"ro", "nosuid", "nodev"} <= mount.options


def test_its_root_cannot_look_below_what_is_mounted_in_it(guest: Guest, writable: Path) -> None:
    """Files that a mount on the host hides stay hidden."""
    told = guest.as_root(f"umount {writable}/inner", check=False)
    assert "not mounted" in told or "must be" in told or "denied" in told or "Invalid" in told
    assert guest.shell(f"cat {writable}/inner/note") == "mounted in it"


def test_a_set_user_id_file_that_its_root_plants(guest: Guest, writable: Path) -> None:
    """It is not owned by the host's root, and nobody becomes anybody by it inside."""
    script = f"cd {writable}; cp /usr/bin/id planted; chmod 6755 planted"
    guest.as_root(script)
    planted = (writable / "planted").stat()
    assert planted.st_mode & stat.S_ISUID
    assert planted.st_uid >= 1_000_000
    assert planted.st_gid >= 1_000_000
    assert "euid" not in guest.shell(f"{writable}/planted")


def test_a_device_node_cannot_be_planted(guest: Guest, writable: Path) -> None:
    """Not by its root, and one of the host's that lies there cannot be opened."""
    told = guest.as_root(f"mknod {writable}/disk b 7 0", check=False)
    assert "not permitted" in told
    node = writable / "null"
    os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.chmod(node, 0o666)
    try:
        assert "denied" in guest.as_root(f"cat {node}", check=False)
    finally:
        node.unlink()


def test_files_of_others_stay_closed(guest: Guest, writable: Path) -> None:
    """Root in the container is nobody where files belong to the host's root or to others."""
    secret = writable / "secret"
    secret.write_text("of the host's root")
    secret.chmod(0o600)
    try:
        assert "denied" in guest.as_root(f"cat {secret}", check=False)
        assert "not permitted" in guest.as_root(f"chown 0:0 {secret}", check=False)
    finally:
        secret.unlink()


def test_a_home_of_its_own(guest: Guest) -> None:
    """Filled from the image's skeleton, the user's, and not the host's."""
    assert guest.shell("cd; ls -A .bashrc; stat -c %U:%a . isolated-writable") == (
        ".bashrc\nalice:700\nalice:755"
    )
    assert not guest.mount_at(guest.user.account.pw_dir)


def test_the_home_shared(new_guest: Guest, alice: User) -> None:
    """The user sees their own home; another folder in it is mounted upon it."""
    inner = folder(alice, "shared-inner")
    try:
        new_guest.create("--mount-home", "--custom-mounts", f"{inner}:ro")
        assert new_guest.shell(f"cat {inner}/note; stat -c %U ~") == "from the hostalice"
        assert new_guest.enter("touch", f"{inner}/x").code == 1
        home = new_guest.mount_at(alice.account.pw_dir)
        assert home
        assert {"rw", "nosuid", "nodev"} <= home.options
    finally:
        shutil.rmtree(inner)


def test_a_folder_as_home(new_guest: Guest, alice: User) -> None:
    """A folder of the host stands for the home, with another folder in it."""
    home, inner = folder(alice, "another-home"), folder(alice, "work/inner")
    try:
        new_guest.create("--home", str(home), "--custom-mounts", str(inner))
        assert new_guest.shell(f"cd; cat note; pwd; cat {inner}/note; stat -c %U work") == (
            f"from the host{alice.account.pw_dir}\nfrom the hostalice"
        )
        assert (home / "work").stat().st_uid == alice.account.pw_uid
        assert (home / ".bashrc").exists() is False
    finally:
        shutil.rmtree(home)
        shutil.rmtree(inner.parent)


def test_a_link_that_was_put_in_the_way(new_guest: Guest, alice: User) -> None:
    """Between a stop and a start somebody leads the path elsewhere: it is not followed."""
    path = folder(alice, "swapped")
    new_guest.create("--custom-mounts", str(path))
    assert new_guest.shell(f"cat {path}/note") == "from the host"
    assert alice.kapsule("stop", new_guest.name).code == 0
    shutil.rmtree(path)
    path.symlink_to("/etc")
    try:
        started = alice.kapsule("start", new_guest.name)
        assert started.code == 0
        assert "has become a link" in started.error
        entered = new_guest.enter("ls", "-A", str(path))
        assert "has become a link" in entered.error
        assert (entered.code, entered.text) == (0, "")
    finally:
        path.unlink()


def test_a_path_through_a_link(new_guest: Guest, alice: User) -> None:
    """What it leads to when it is chosen is shown, and stays so when the link changes."""
    real, other = folder(alice, "real", content="the real one"), folder(alice, "other")
    link = Path(alice.account.pw_dir, "by-a-link")
    link.symlink_to(real)
    try:
        new_guest.create("--custom-mounts", str(link))
        assert new_guest.shell(f"cat {link}/note") == "the real one"
        link.unlink()
        link.symlink_to(other)
        assert alice.kapsule("restart", new_guest.name).code == 0
        assert new_guest.shell(f"cat {link}/note") == "the real one"
    finally:
        link.unlink()
        shutil.rmtree(real)
        shutil.rmtree(other)


def test_a_folder_that_vanishes(new_guest: Guest, alice: User) -> None:
    """The container starts and is entered without it, and says so; it is back when it is back."""
    path = folder(alice, "vanishing")
    new_guest.create("--custom-mounts", str(path))
    shutil.rmtree(path)
    restarted = alice.kapsule("restart", new_guest.name)
    assert restarted.code == 0
    assert f"{path} is not there" in restarted.error
    entered = new_guest.enter("true")
    assert entered.code == 0
    assert f"{path} is not there" in entered.error
    folder(alice, "vanishing", content="back")
    try:
        assert new_guest.shell(f"cat {path}/note") == "back"
    finally:
        shutil.rmtree(path)


def test_a_folder_that_never_answers(new_guest: Guest, alice: User) -> None:
    """A file system whose server is away holds nobody up: one is told, and goes in without."""
    path, other = folder(alice, "hangs"), folder(alice, "other")
    new_guest.create("--custom-mounts", str(path), "--custom-mounts", str(other))
    try:
        with hanging(path):
            entered = new_guest.enter("cat", f"{other}/note")
            assert entered.code == 0
            assert f"{path} does not answer" in entered.error
            assert alice.kapsule("restart", new_guest.name).code == 0
        assert new_guest.shell(f"cat {path}/note") == "from the host"
    finally:
        shutil.rmtree(path)
        shutil.rmtree(other)


@pytest.mark.parametrize("path", ["/", "/proc", "/sys", "/dev", "/proc/self/root"])
def test_what_is_the_hosts_own_is_not_shared(new_guest: Guest, alice: User, path: str) -> None:
    """Whatever link leads there."""
    link = Path(alice.account.pw_dir, "leads-there")
    link.symlink_to(path)
    try:
        words = ("create", new_guest.name, "--image", "local:debian", "--trust", "project")
        result = alice.kapsule(*words, "--custom-mounts", str(link))
        assert result.code == 1
        assert "cannot be shared" in result.error
    finally:
        link.unlink()


def test_nothing_is_mounted_twice(guest: Guest, writable: Path) -> None:
    """One enter after another finds everything in place."""
    before = guest.mounts()
    for _ in range(3):
        guest.shell("true")
    assert guest.mounts() == before
    assert [mount.point for mount in before].count(str(writable)) == 1
