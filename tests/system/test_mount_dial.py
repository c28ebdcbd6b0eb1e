# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container sees of the host's file system: each position of each dial, on a real Incus."""

import contextlib
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from kapsule import names
from tests.system.support.users import Result, User, incus


@pytest.fixture(scope="module")
def sealed(alice: User) -> Iterator[str]:
    """A container with nothing of the host's file system, which tests share."""
    words = ("--image", "local:debian", "--no-mount-home", "--no-host-rootfs", "--no-gpu")
    result = alice.kapsule("create", "sealed", *words)
    assert result.code == 0, result.error
    yield "sealed"
    incus("delete", "--force", "sealed", check=False)


@pytest.fixture
def shared(alice: User) -> Iterator[Path]:
    """A directory of alice's outside her home, with another file system mounted in it."""
    directory = Path("/srv") / f"d{uuid.uuid4().hex[:8]}"
    (directory / "inner").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "inner", directory / "inner"], check=True)
    for place in (directory, directory / "inner"):
        (place / "file").write_text("from the host")
        for each in (place, place / "file"):
            os.chown(each, alice.account.pw_uid, alice.account.pw_gid)
    yield directory
    subprocess.run(["umount", directory / "inner"], check=True)
    shutil.rmtree(directory)


def _create(user: User, name: str, *words: str) -> Result:
    result = user.kapsule("create", name, "--image", "local:debian", "--no-gpu", *words)
    assert result.code == 0, result.error
    return result


def _sh(user: User, name: str, script: str) -> str:
    """Return what a script writes that the user runs in the container."""
    return user.kapsule("enter", name, "--", "sh", "-c", script).text


def _mounts(name: str) -> list[str]:
    """Return where something is mounted in the container, by its own table."""
    table = incus("exec", name, "--", "cat", "/proc/self/mountinfo")
    return [line.split()[4] for line in table.splitlines()]


# --- a home of its own


def test_a_home_of_its_own(alice: User, sealed: str) -> None:
    """It is on the container's disk, filled from its skeleton, and the host sees none of it."""
    assert _sh(alice, sealed, "touch ~/inside; ls -A ~").split() == [
        ".bash_logout",
        ".bashrc",
        ".profile",
        "inside",
    ]
    assert "/home/alice" not in _mounts(sealed)
    assert not (Path(alice.account.pw_dir) / "inside").exists()
    assert _sh(alice, sealed, "stat -c %U:%a ~") == "alice:700"


def test_nothing_of_the_host(alice: User, sealed: str) -> None:
    """Of the host there is no directory: what is mounted are single files of our own choosing."""
    with _marked(alice, "/tmp"), _marked(alice, f"/run/user/{alice.account.pw_uid}"):
        seen = _sh(alice, sealed, "ls -A /tmp /run/user/1000; echo end")
        assert "of-the-host" not in seen
        assert seen.endswith("end")
        assert _sh(alice, sealed, "ls -A /.kapsule") == ""
    devices = json.loads(incus("query", f"/1.0/instances/{sealed}"))["devices"]
    assert {device["path"] for device in devices.values() if device["type"] == "disk"} == {"/"}
    assert not any(path.startswith("/.kapsule") for path in _mounts(sealed))


@contextlib.contextmanager
def _marked(user: User, directory: str) -> Iterator[None]:
    """Have a file of the user's with a name to be known by in a directory of the host."""
    was_there = os.path.isdir(directory)
    if not was_there:
        os.mkdir(directory)
        os.chown(directory, user.account.pw_uid, user.account.pw_gid)
    marker = Path(directory, "of-the-host")
    marker.touch()
    yield
    marker.unlink()
    if not was_there:
        os.rmdir(directory)


# --- a folder as home


def test_a_folder_as_home(alice: User, fresh_name: str) -> None:
    """A directory of the host is the home; it is made and filled as the user, and keeps all."""
    folder = Path(alice.account.pw_dir) / "boxes" / fresh_name
    _create(alice, fresh_name, "--home", f"~/boxes/{fresh_name}", "--no-host-rootfs")
    text = _sh(alice, fresh_name, 'echo "$HOME" $(pwd); touch ~/inside; env | grep XDG_.*HOME')
    assert text == "/home/alice /home/alice"
    assert (folder / "inside").stat().st_uid == folder.stat().st_uid == alice.account.pw_uid
    config = json.loads(incus("query", f"/1.0/instances/{fresh_name}"))["config"]
    assert config[names.KEY_HOME] == f"~/boxes/{fresh_name}"
    assert config[names.KEY_MOUNT_HOME] == "false"
    skeleton = _sh(alice, fresh_name, "ls -A /etc/skel").split()
    assert skeleton
    assert {(folder / name).stat().st_uid for name in skeleton} == {alice.account.pw_uid}
    shutil.rmtree(folder)


def test_a_folder_with_something_in_it(alice: User, fresh_name: str) -> None:
    """It stays as it is: it may be the home of another container."""
    folder = Path(alice.account.pw_dir) / "used"
    alice.run("sh", "-c", "mkdir ~/used && echo mine > ~/used/.profile")
    _create(alice, fresh_name, "--home", "~/used")
    assert _sh(alice, fresh_name, "ls -A ~; cat ~/.profile") == ".profile\nmine"
    shutil.rmtree(folder)


def test_a_mount_in_a_folder_as_home(alice: User, fresh_name: str) -> None:
    """What is shared below the home lies in the folder, and nothing there becomes root's."""
    home = Path(alice.account.pw_dir)
    words = ("--home", "~/folder", "--custom-mounts", "~/deep/er/x")
    _create(alice, fresh_name, *words)
    alice.run("sh", "-c", "echo seen > ~/deep/er/x/file")
    assert (
        _sh(alice, fresh_name, "cat ~/deep/er/x/file; ls -A ~ | grep -e deep -e .profile")
        == "seen\n.profile\ndeep"
    )
    made = (home / "folder/deep", home / "folder/deep/er", home / "deep/er")
    assert {each.stat().st_uid for each in made} == {alice.account.pw_uid}
    incus("delete", "--force", fresh_name)
    for each in ("folder", "deep"):
        shutil.rmtree(home / each)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--home", "~"), "is your home directory"),
        (("--home", "/root"), "Permission denied"),
        (("--home", "/nowhere"), "does not exist"),
        (("--home", "~/x:ro"), "cannot be read-only"),
        (("--home", "~/x", "--mount-home"), "contradict"),
        (("--home", "~/x", "--custom-mounts", "~"), "is your home directory"),
    ],
)
def test_homes_that_are_refused(
    alice: User, fresh_name: str, words: tuple[str, ...], reason: str
) -> None:
    """What cannot be the home is refused before anything is made."""
    result = alice.kapsule("create", fresh_name, "--image", "local:debian", *words)
    assert result.code == 1
    assert reason in result.error
    assert not (Path(alice.account.pw_dir) / "x").exists()


# --- custom mounts


def test_custom_mounts(alice: User, fresh_name: str, shared: Path) -> None:
    """One comes with what is mounted in it; one for reading only cannot be written, by nobody."""
    readable = Path(alice.account.pw_dir) / "readable"
    words = ("--custom-mounts", str(shared), "--custom-mounts", "~/readable:ro")
    _create(alice, fresh_name, "--no-mount-home", *words)
    assert _sh(alice, fresh_name, f"cat {shared}/file {shared}/inner/file") == ("from the host" * 2)
    assert _sh(alice, fresh_name, f"echo new > {shared}/inner/file; echo $?") == "0"
    assert (shared / "inner/file").read_text() == "new\n"
    assert _sh(alice, fresh_name, "sudo touch ~/readable/x || echo refused") == "refused"
    assert list(readable.iterdir()) == []
    incus("delete", "--force", fresh_name)
    readable.rmdir()


def test_a_path_that_ends_in_ro(alice: User, fresh_name: str) -> None:
    """It is written with `:rw` behind it."""
    odd = Path(alice.account.pw_dir) / "odd:ro"
    _create(alice, fresh_name, "--no-mount-home", "--custom-mounts", "~/odd:ro:rw")
    assert _sh(alice, fresh_name, "touch ~/odd:ro/x; ls ~/odd:ro") == "x"
    incus("delete", "--force", fresh_name)
    shutil.rmtree(odd)


# --- later


def test_mount_and_unmount_while_it_runs(alice: User, sealed: str, shared: Path) -> None:
    """A directory comes and goes at once, and what is written down goes with it."""
    result = alice.kapsule("mount", sealed, str(shared))
    assert result.code == 0
    assert "What is mounted in it comes when sealed starts the next time" in result.error
    assert _sh(alice, sealed, f"cat {shared}/file") == "from the host"
    assert json.loads(incus("config", "get", sealed, names.KEY_CUSTOM_MOUNTS)) == [str(shared)]
    again = alice.kapsule("mount", sealed, f"{shared}:ro")
    assert again.code == 1
    assert "is shared already" in again.error
    gone = alice.kapsule("unmount", sealed, str(shared))
    assert gone.code == 0, gone.error
    assert _sh(alice, sealed, f"ls -A {shared}/file 2>&1; echo $?").endswith("2")
    assert incus("config", "get", sealed, names.KEY_CUSTOM_MOUNTS).strip() == ""
    assert (shared / "inner/file").read_text() == "from the host"


def test_mount_read_only_while_it_runs(alice: User, sealed: str, shared: Path) -> None:
    """It can be read and not written."""
    assert alice.kapsule("mount", sealed, f"{shared}:ro").code == 0
    assert _sh(alice, sealed, f"cat {shared}/file; sudo touch {shared}/x || echo no") == (
        "from the hostno"
    )
    assert alice.kapsule("unmount", sealed, f"{shared}").code == 0


def test_mount_in_the_home_while_it_runs(alice: User, sealed: str) -> None:
    """It is made on the host where it is missing; what leads to it is the user's on both sides."""
    result = alice.kapsule("mount", sealed, "~/some/where/deep")
    assert result.code == 0, result.error
    assert (
        _sh(alice, sealed, "stat -c %U ~/some ~/some/where ~/some/where/deep").split()
        == ["alice"] * 3
    )
    assert (Path(alice.account.pw_dir) / "some/where/deep").stat().st_uid == 1000
    assert alice.kapsule("unmount", sealed, "~/some/where/deep").code == 0
    shutil.rmtree(Path(alice.account.pw_dir) / "some")


def test_mount_while_it_is_stopped(alice: User, fresh_name: str, shared: Path) -> None:
    """It is there from the next start on, and the command says so."""
    _create(alice, fresh_name, "--no-mount-home")
    alice.kapsule("stop", "--force", fresh_name)
    result = alice.kapsule("mount", fresh_name, str(shared))
    assert result.code == 0
    assert f"when {fresh_name} starts" in result.error
    assert _sh(alice, fresh_name, f"cat {shared}/inner/file") == "from the host"


def test_mount_in_the_home_while_it_is_stopped(alice: User, fresh_name: str) -> None:
    """Incus makes what leads to it; it is the user's nevertheless."""
    _create(alice, fresh_name, "--no-mount-home")
    alice.kapsule("stop", "--force", fresh_name)
    assert alice.kapsule("mount", fresh_name, "~/an/other/deep").code == 0
    assert (
        _sh(alice, fresh_name, "stat -c %U ~/an ~/an/other ~/an/other/deep").split()
        == ["alice"] * 3
    )
    incus("delete", "--force", fresh_name)
    shutil.rmtree(Path(alice.account.pw_dir) / "an")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/root", "Permission denied"),
        ("/nowhere", "does not exist"),
        ("/etc/passwd", "Not a directory"),
        ("/usr/lib", "has its own there"),
        ("~/../bob", "climbs"),
    ],
)
def test_mounts_that_are_refused(alice: User, sealed: str, path: str, reason: str) -> None:
    """What the caller may not read is not shared, and nothing changes."""
    result = alice.kapsule("mount", sealed, path)
    assert result.code == 1
    assert reason in result.error
    assert incus("config", "get", sealed, names.KEY_CUSTOM_MOUNTS).strip() == ""


def test_others_may_not(bob: User, sealed: str) -> None:
    """A container's mounts are its owner's affair."""
    for verb in ("mount", "unmount"):
        assert bob.kapsule(verb, sealed, "/srv").code == 1


def test_unmount_of_what_is_not_there(alice: User, sealed: str) -> None:
    """The error names what there is."""
    result = alice.kapsule("unmount", sealed, "/srv/nothing")
    assert result.code == 1
    assert "has no custom mount at /srv/nothing" in result.error


# --- what vanishes


def test_a_directory_that_vanished(alice: User, fresh_name: str) -> None:
    """The container starts and is entered without it, and says so; it comes back by itself."""
    path = Path(alice.account.pw_dir) / "vanishing"
    _create(alice, fresh_name, "--no-mount-home", "--custom-mounts", "~/vanishing")
    alice.kapsule("stop", "--force", fresh_name)
    path.rmdir()
    first = alice.kapsule("enter", fresh_name, "--", "true")
    assert first.code == 0
    assert f"{path} is not there" in first.error
    second = alice.kapsule("enter", fresh_name, "--", "true")
    assert second.code == 0
    assert f"{path} is not there" in second.error
    path.mkdir()
    os.chown(path, alice.account.pw_uid, alice.account.pw_gid)
    alice.kapsule("restart", "--force", fresh_name)
    third = alice.kapsule("enter", fresh_name, "--", "touch", f"{path}/x")
    assert (third.code, third.error) == (0, "")
    incus("delete", "--force", fresh_name)
    shutil.rmtree(path)
