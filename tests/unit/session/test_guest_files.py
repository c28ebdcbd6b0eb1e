# SPDX-License-Identifier: GPL-3.0-or-later
import ctypes
import errno
import fcntl
import json
import os
import pickle
import resource
import signal
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapsule.errors import GuestError
from kapsule.linux.syscalls import CLONE_NEWUTS
from kapsule.session.guest_actions import (
    Action,
    CopyTree,
    GuestFile,
    MakeDirectory,
    Remove,
    SetHostname,
    Symlink,
    WriteFile,
    actions_from_wire,
    actions_to_wire,
    files_from_wire,
    files_to_wire,
)
from kapsule.session.guest_files import apply
from kapsule.session.guest_reading import read_files

UID, GID = os.getuid(), os.getgid()
Result = TypeVar("Result")

needs_root = pytest.mark.skipif(UID != 0, reason="changes the root directory or the owner")


def write(path: Path, content: str, mode: int = 0o644, replaces: str | None = None) -> WriteFile:
    """Return the action that writes a file of the user who runs the tests."""
    return WriteFile(str(path), content, mode, UID, GID, replaces)


def in_child(work: Callable[[], Result], root: Path | None = None) -> Result:
    """Return what work returns, or raise what it raises, in a process whose / may be root."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, pickle.dumps(_outcome(work, root)))
        finally:
            os._exit(0)  # whatever happens, there is no second pytest
    os.close(writing)
    with open(reading, "rb") as pipe:
        outcome = pickle.load(pipe)
    os.waitpid(child, 0)
    if isinstance(outcome, BaseException):
        raise outcome
    return cast(Result, outcome)


def _outcome(work: Callable[[], object], root: Path | None) -> object:
    try:
        if root is not None:
            os.chroot(root)
            os.chdir("/")
        return work()
    except BaseException as error:
        return error


def snapshot(root: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Return all that there is to know about a tree, in a form that compares."""
    found = {}
    for path in sorted(root.rglob("*")):
        state = path.lstat()
        content = b""
        if stat.S_ISREG(state.st_mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(state.st_mode):
            content = os.fsencode(os.readlink(path))
        name = str(path.relative_to(root))
        found[name] = (state.st_mode, state.st_uid, state.st_gid, content)
    return found


# --- reading


def test_reading_describes_what_is_there(tmp_path: Path) -> None:
    """A file comes with its text, a directory with its names, a link with its target."""
    (tmp_path / "file").write_text("text\n")
    (tmp_path / "file").chmod(0o640)
    (tmp_path / "link").symlink_to("nowhere")
    paths = {name: str(tmp_path / name) for name in ("file", "link", "absent", "file/below", "")}
    found = read_files(paths.values())
    file = found[paths["file"]]
    assert file is not None
    assert file[:5] == ("file", "text\n", 0o640, UID, GID)
    link = found[paths["link"]]
    assert link is not None
    assert (link.kind, link.content, link.executable) == ("symlink", "nowhere", False)
    directory = found[paths[""]]
    assert directory is not None
    assert (directory.kind, directory.entries) == ("directory", ("file", "link"))
    assert found[paths["absent"]] is None
    assert found[paths["file/below"]] is None


def test_reading_does_not_wait_for_a_fifo(tmp_path: Path) -> None:
    """A FIFO in a file's place is seen, not opened."""
    os.mkfifo(tmp_path / "passwd")
    found = read_files([str(tmp_path / "passwd")])[str(tmp_path / "passwd")]
    assert found is not None
    assert (found.kind, found.content) == ("other", None)


@pytest.mark.parametrize("content", [b"\0" * 10, b"#" * (1024 * 1024 + 1)])
def test_reading_leaves_out_programs_and_what_is_too_large(tmp_path: Path, content: bytes) -> None:
    """The content of a program, or of more than a mebibyte, is None."""
    (tmp_path / "big").write_bytes(content)
    found = read_files([str(tmp_path / "big")])[str(tmp_path / "big")]
    assert found is not None
    assert (found.kind, found.content) == ("file", None)


def test_reading_leaves_out_the_names_of_a_crowd(tmp_path: Path) -> None:
    """A directory with more than a thousand entries has None for them."""
    for number in range(1001):
        (tmp_path / str(number)).touch()
    found = read_files([str(tmp_path)])[str(tmp_path)]
    assert found is not None
    assert found.entries is None


def test_executable_follows_links(tmp_path: Path) -> None:
    """A link to a program is executable, as /bin/sh is on most systems; a directory is not."""
    (tmp_path / "dash").write_text("#!")
    (tmp_path / "dash").chmod(0o755)
    (tmp_path / "sh").symlink_to("dash")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "down").symlink_to(".")
    names = ("dash", "sh", "loop", "down")
    found = read_files([str(tmp_path / name) for name in names])
    assert [file and file.executable for file in found.values()] == [True, True, False, False]


def test_another_mount_is_noticed() -> None:
    """What lies on another mount than / is marked, and / itself is not."""
    found = read_files(["/", "/proc/self/status"])
    assert [file and file.mounted for file in found.values()] == [False, True]


@given(st.binary(max_size=200).filter(lambda data: b"\0" not in data))
def test_any_bytes_survive_reading_the_wire_and_writing(data: bytes) -> None:
    """Text in any encoding goes through JSON and back to the file unchanged."""
    path = Path(f"/tmp/kapsule-bytes-{os.getpid()}")
    path.write_bytes(data)
    try:
        found = files_from_wire(json.loads(json.dumps(files_to_wire(read_files([str(path)])))))
        file = found[str(path)]
        assert file is not None
        assert file.content is not None
        path.write_bytes(b"else")
        wire = json.dumps(actions_to_wire([write(path, file.content)]))
        apply(actions_from_wire(json.loads(wire)))
        assert path.read_bytes() == data
    finally:
        path.unlink()


# --- the wire

ACTIONS: list[Action] = [
    WriteFile("/a", "b", 0o600, 1, 2),
    WriteFile("/a", "b", replaces="c"),
    MakeDirectory("/a/b", 0o700, 1, 2, parents=True),
    Symlink("/a", "b"),
    CopyTree("/etc/skel", "/home/a", 1, 2),
    Remove("/a"),
    SetHostname("dev"),
]


def test_actions_travel_as_json() -> None:
    """Every action is the same after a journey through JSON."""
    assert actions_from_wire(json.loads(json.dumps(actions_to_wire(ACTIONS)))) == ACTIONS


def test_files_travel_as_json() -> None:
    """Every field of what was found is the same after a journey through JSON."""
    files = {
        "/a": GuestFile("directory", None, 0o755, 1, 2, ("x", "y"), False, True),
        "/b": GuestFile("directory", None, 0o755, 1, 2, None),
        "/c": None,
    }
    assert files_from_wire(json.loads(json.dumps(files_to_wire(files)))) == files


@pytest.mark.parametrize(
    "wire",
    [
        None,
        {},
        [[]],
        [["Unknown", "/a"]],
        [["Remove"]],
        [["Remove", 1]],
        [["Remove", "/a", "/b"]],
        [["Symlink", "/a", "b", "0", 0]],
        [["Remove", ["/a"]]],
        ["Remove"],
        [[["Remove"], "/a"]],
    ],
)
def test_nonsense_is_refused(wire: object) -> None:
    """An answer of the wrong shape is an error of the guest, not of ours."""
    with pytest.raises(GuestError):
        actions_from_wire(wire)


@pytest.mark.parametrize(
    "wire", [[], {"/a": {}}, {"/a": ["file"]}, {"/a": ["file", 1, 0, 0, 0, [], False, False]}]
)
def test_nonsense_about_files_is_refused(wire: object) -> None:
    """A description of the wrong shape is an error of the guest, not of ours."""
    with pytest.raises(GuestError):
        files_from_wire(wire)


# --- writing files


def test_a_new_file_has_exactly_its_mode(tmp_path: Path) -> None:
    """The umask of the process takes nothing away from the mode, and nothing is added."""

    def work() -> None:
        os.umask(0o077)
        apply([write(tmp_path / "a", "x", 0o644), write(tmp_path / "b", "x", 0o440)])

    in_child(work)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "ab"] == [0o644, 0o440]


def test_a_replaced_file_comes_back(tmp_path: Path) -> None:
    """Undo restores content and mode of what was replaced, and removes what was new."""
    (tmp_path / "old").write_bytes(b"old\0\xff")
    (tmp_path / "old").chmod(0o604)
    before = snapshot(tmp_path)
    undo = apply([write(tmp_path / "old", "new", 0o600), write(tmp_path / "new", "new")])
    assert (tmp_path / "old").read_text() == "new"
    apply(undo)
    assert snapshot(tmp_path) == before


def test_what_is_right_already_is_not_touched(tmp_path: Path) -> None:
    """Writing what is there already changes nothing and has nothing to undo."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "file").chmod(0o644)
    inode = (tmp_path / "file").stat().st_ino
    assert apply([write(tmp_path / "file", "x")]) == []
    assert (tmp_path / "file").stat().st_ino == inode


@pytest.mark.parametrize(
    ("content", "replaces", "fits"),
    [
        ("old", "old", True),
        ("older", "old", False),
        ("", "", True),
        (None, "", True),
        (None, "old", False),
        ("old", None, True),
        (None, None, True),
    ],
)
def test_a_file_that_changed_stops_the_plan(
    tmp_path: Path, content: str | None, replaces: str | None, fits: bool
) -> None:
    """A plan for other content is refused with ESTALE; absent and empty are the same."""
    path = tmp_path / "file"
    if content is not None:
        path.write_text(content)
    before = snapshot(tmp_path)
    if fits:
        apply([write(path, "new", replaces=replaces)])
        assert path.read_text() == "new"
        return
    with pytest.raises(OSError, match="changed in the meantime") as caught:
        apply([write(tmp_path / "first", "x"), write(path, "new", replaces=replaces)])
    assert (caught.value.errno, caught.value.filename) == (errno.ESTALE, str(path))
    assert snapshot(tmp_path) == before


def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    """Writing to a path that is a link makes it a file and leaves the link's target alone."""
    (tmp_path / "target").write_text("target")
    (tmp_path / "link").symlink_to("target")
    before = snapshot(tmp_path)
    undo = apply([write(tmp_path / "link", "new")])
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "target"
    apply(undo)
    assert snapshot(tmp_path) == before


def test_what_a_killed_process_left_is_no_obstacle(tmp_path: Path) -> None:
    """A temporary file of an earlier run goes away with the next write."""
    (tmp_path / ".file.kapsule~").symlink_to("/etc/passwd")
    apply([write(tmp_path / "file", "x")])
    assert os.listdir(tmp_path) == ["file"]


# --- failures


def failing_actions(tmp_path: Path) -> list[Action]:
    """Return one action of each kind that works, and one that cannot."""
    return [
        write(tmp_path / "old", "new"),
        MakeDirectory(str(tmp_path / "a/b/c"), 0o700, UID, GID, parents=True),
        MakeDirectory(str(tmp_path / "kept"), 0o711, UID, GID),
        CopyTree(str(tmp_path / "kept"), str(tmp_path / "a/b/c"), UID, GID),
        Symlink(str(tmp_path / "link"), "else", UID, GID),
        Remove(str(tmp_path / "gone")),
        write(tmp_path / "kept", "a directory is not replaced"),
    ]


def test_a_failure_undoes_what_was_done(tmp_path: Path) -> None:
    """When the last action fails, everything is as it was before the first."""
    (tmp_path / "old").write_text("old")
    (tmp_path / "gone").write_text("gone")
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "kept").mkdir(mode=0o755)
    (tmp_path / "kept/file").write_text("x")
    before = snapshot(tmp_path)
    with pytest.raises(IsADirectoryError) as caught:
        apply(failing_actions(tmp_path))
    assert caught.value.filename == str(tmp_path / "kept")
    assert snapshot(tmp_path) == before


def test_undo_restores_everything(tmp_path: Path) -> None:
    """What apply() returns takes every kind of action back, and can be taken back itself."""
    (tmp_path / "old").write_text("old")
    (tmp_path / "gone").write_text("gone")
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "kept").mkdir(mode=0o755)
    (tmp_path / "kept/file").write_text("x")
    before = snapshot(tmp_path)
    undo = apply(failing_actions(tmp_path)[:-1])
    after = snapshot(tmp_path)
    redo = apply(undo)
    assert snapshot(tmp_path) == before
    apply(redo)
    assert snapshot(tmp_path) == after


def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    """A write that fails half-way names the file and leaves neither it nor a temporary file."""

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        apply([write(tmp_path / "small", "x"), write(tmp_path / "large", "x" * 2000)])

    with pytest.raises(OSError, match="File too large") as caught:
        in_child(work)
    assert caught.value.filename == str(tmp_path / "large")
    assert os.listdir(tmp_path) == []


def test_a_skeleton_that_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    """Copying that fails in its middle is undone to its beginning."""
    (tmp_path / "skel").mkdir()
    (tmp_path / "skel/a").write_text("a")
    (tmp_path / "skel/b").write_text("b" * 2000)
    before = snapshot(tmp_path)

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        home = str(tmp_path / "home")
        apply([MakeDirectory(home, 0o700, UID, GID), CopyTree(f"{tmp_path}/skel", home, UID, GID)])

    with pytest.raises(OSError, match="File too large"):
        in_child(work)
    assert snapshot(tmp_path) == before


def test_a_read_only_place_is_an_error() -> None:
    """Where nothing can be written, the error says where."""
    with pytest.raises(OSError, match="/proc/") as caught:
        apply([WriteFile("/proc/kapsule", "x", 0o644, UID, GID)])
    assert caught.value.filename == "/proc/kapsule"


def test_what_cannot_be_restored_is_not_removed(tmp_path: Path) -> None:
    """A FIFO and a file that is too large to be kept for the undo stay where they are."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "large").write_bytes(b"x" * (1024 * 1024 + 1))
    before = snapshot(tmp_path)
    for name in ("fifo", "large"):
        with pytest.raises(OSError, match=name):
            apply([Remove(str(tmp_path / name))])
        with pytest.raises(OSError, match=name):
            apply([write(tmp_path / name, "x")])
    assert snapshot(tmp_path) == before


# --- directories, links, skeletons


def test_an_existing_directory_gets_mode_and_owner(tmp_path: Path) -> None:
    """MakeDirectory on a directory changes what differs, and says how to change it back."""
    (tmp_path / "d").mkdir(mode=0o755)
    path = str(tmp_path / "d")
    assert apply([MakeDirectory(path, 0o700, UID, GID)]) == [MakeDirectory(path, 0o755, UID, GID)]
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o700
    assert apply([MakeDirectory(path, 0o700, UID, GID)]) == []


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_directory_replaces_nothing(tmp_path: Path, kind: str) -> None:
    """MakeDirectory fails where a file or a link is."""
    path = tmp_path / "d"
    path.write_text("") if kind == "file" else path.symlink_to(tmp_path)
    with pytest.raises(NotADirectoryError):
        apply([MakeDirectory(str(path), 0o755, UID, GID)])


def test_a_directory_without_its_parent_is_an_error(tmp_path: Path) -> None:
    """Parents are made only when that is asked for."""
    with pytest.raises(FileNotFoundError):
        apply([MakeDirectory(str(tmp_path / "a/b"), 0o755, UID, GID)])


def test_a_directory_with_something_in_it_stays(tmp_path: Path) -> None:
    """Taking back a directory that is used by now keeps it, and is no error."""
    undo = apply([MakeDirectory(str(tmp_path / "d"), 0o755, UID, GID)])
    (tmp_path / "d/file").touch()
    assert apply(undo) == []
    assert (tmp_path / "d/file").exists()


def test_a_skeleton_spares_what_exists(tmp_path: Path) -> None:
    """A copy adds what is missing, keeps modes without set-id bits, and leaves devices out."""
    skel, home = tmp_path / "skel", tmp_path / "home"
    (skel / ".config/deep").mkdir(parents=True)
    (skel / ".config/deep/file").write_text("deep")
    (skel / ".profile").write_text("skel")
    (skel / ".bashrc").write_text("bash")
    (skel / "tool").write_text("#!")
    (skel / "tool").chmod(0o4750)
    (skel / "link").symlink_to(".bashrc")
    (skel / "mail").mkdir()
    os.mkfifo(skel / "fifo")
    (home / ".config").mkdir(parents=True)
    (home / ".profile").write_text("mine")
    (home / "mail").symlink_to("/nowhere")
    before = snapshot(tmp_path)
    undo = apply([CopyTree(str(skel), str(home), UID, GID)])
    assert (home / ".profile").read_text() == "mine"
    assert (home / ".config/deep/file").read_text() == "deep"
    assert stat.S_IMODE((home / "tool").stat().st_mode) == 0o750
    assert os.readlink(home / "link") == ".bashrc"
    assert os.readlink(home / "mail") == "/nowhere"
    assert not (home / "fifo").exists()
    apply(undo)
    assert snapshot(tmp_path) == before


@needs_root
def test_a_skeleton_with_the_users_rights(tmp_path: Path) -> None:
    """What the user may not read is left out, and what they may not write is an error."""
    skel, home = tmp_path / "skel", tmp_path / "home"
    (skel / "open").mkdir(parents=True)
    (skel / "open/file").write_text("to all")
    (skel / "secret").write_text("root's")
    (skel / "secret").chmod(0o600)
    (skel / "closed").mkdir(mode=0o711)
    (skel / "closed/file").write_text("not seen")
    home.mkdir()
    os.chown(home, 1234, 5678)
    for above in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        above.chmod(0o711)
    apply([CopyTree(str(skel), str(home), 1234, 5678, as_user=True)])
    assert sorted(os.listdir(home)) == ["open"]
    assert (home / "open/file").read_text() == "to all"
    assert {each.stat().st_uid for each in home.rglob("*")} == {1234}
    os.chown(home, 0, 0)
    (home / "open/file").unlink()
    (home / "open").rmdir()
    with pytest.raises(PermissionError):
        apply([CopyTree(str(skel), str(home), 1234, 5678, as_user=True)])
    assert os.listdir(home) == []


@needs_root
def test_owners_are_as_asked(tmp_path: Path) -> None:
    """Files, directories, links and copies belong to the given ids, new parents to root."""
    (tmp_path / "skel").mkdir()
    (tmp_path / "skel/file").touch()
    home = tmp_path / "deep/home"
    apply(
        [
            MakeDirectory(str(home), 0o2700, 1234, 5678, parents=True),
            CopyTree(str(tmp_path / "skel"), str(home), 1234, 5678),
            WriteFile(str(home / "set"), "x", 0o4755, 1234, 5678),
            Symlink(str(home / "link"), "x", 1234, 5678),
        ]
    )
    for path in (home, home / "file", home / "set", home / "link"):
        assert (path.lstat().st_uid, path.lstat().st_gid) == (1234, 5678)
    assert stat.S_IMODE(home.stat().st_mode) == 0o2700
    assert stat.S_IMODE((home / "set").stat().st_mode) == 0o4755
    assert (home.parent.stat().st_uid, stat.S_IMODE(home.parent.stat().st_mode)) == (0, 0o755)


# --- the lock of the account files


def hold_lock(root: Path) -> int:
    """Lock root's account files as another program would; return that process's pid."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            descriptor = os.open(root / "etc/.pwd.lock", os.O_WRONLY | os.O_CREAT, 0o600)
            fcntl.lockf(descriptor, fcntl.LOCK_EX)
            os.write(writing, b"x")
            signal.pause()
        finally:
            os._exit(1)  # whatever happens, there is no second pytest
    os.close(writing)
    os.read(reading, 1)
    os.close(reading)
    return child


@needs_root
def test_account_files_wait_for_their_lock(tmp_path: Path) -> None:
    """While useradd works, account files are left alone; others do not care."""
    (tmp_path / "etc").mkdir()
    holder = hold_lock(tmp_path)
    try:
        with pytest.raises(OSError, match="locked") as caught:
            in_child(lambda: apply([WriteFile("/etc/passwd", "x")], lock_wait=0.05), tmp_path)
        assert caught.value.errno == errno.EBUSY
        in_child(lambda: apply([WriteFile("/etc/else", "x")], lock_wait=0.05), tmp_path)
        assert sorted(os.listdir(tmp_path / "etc")) == [".pwd.lock", "else"]
    finally:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
    in_child(lambda: apply([WriteFile("/etc/passwd", "x")], lock_wait=0.05), tmp_path)
    assert (tmp_path / "etc/passwd").read_text() == "x"


@needs_root
@pytest.mark.parametrize("kind", ["fifo", "link"])
def test_a_false_lock_is_an_error(tmp_path: Path, kind: str) -> None:
    """A FIFO or a link in the lock's place is refused, and nothing waits for it."""
    (tmp_path / "etc").mkdir()
    lock = tmp_path / "etc/.pwd.lock"
    os.mkfifo(lock) if kind == "fifo" else lock.symlink_to("passwd")
    with pytest.raises(OSError, match="/etc/") as caught:
        in_child(lambda: apply([WriteFile("/etc/passwd", "x")]), tmp_path)
    assert caught.value.filename == "/etc/.pwd.lock"
    assert os.listdir(tmp_path / "etc") == [".pwd.lock"]


# --- the host name


@needs_root
def test_the_host_name_goes_back_with_the_rest(tmp_path: Path) -> None:
    """The name of the container's own namespace is set, and set back when a later action fails."""

    def work() -> list[str]:
        assert ctypes.CDLL(None).unshare(CLONE_NEWUTS) == 0
        names = [os.uname().nodename]
        undo = apply([SetHostname("kapsule-test")])
        names.append(os.uname().nodename)
        apply(undo)
        names.append(os.uname().nodename)
        with suppress(FileNotFoundError):
            apply([SetHostname("kapsule-test"), write(tmp_path / "absent/file", "x")])
        return [*names, os.uname().nodename]

    before = os.uname().nodename
    assert in_child(work) == [before, "kapsule-test", before, before]
