# SPDX-License-Identifier: GPL-3.0-or-later
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from kapsule.session import copies

UID, GID = os.getuid(), os.getgid()


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[int]:
    """The directory that copies are made in."""
    descriptor = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def is_copy(path: Path, content: bytes) -> bool:
    """Ask about a path, which is not followed when it is a link."""
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    try:
        return copies.is_copy(descriptor, content, UID)
    finally:
        os.close(descriptor)


def test_a_copy_is_private(parent: int, tmp_path: Path) -> None:
    """It has the content and only its owner reads it; nothing else is left in the directory."""
    copies.write(parent, "copy", b"content", UID, GID)
    assert (tmp_path / "copy").read_bytes() == b"content"
    assert (tmp_path / "copy").stat().st_mode == 0o100600
    assert os.listdir(tmp_path) == ["copy"]
    assert is_copy(tmp_path / "copy", b"content")


def test_what_was_there_is_not_written_to(parent: int, tmp_path: Path) -> None:
    """A file with other names, and the target of a link, keep what they have."""
    (tmp_path / "file").write_text("precious")
    (tmp_path / "hard").hardlink_to(tmp_path / "file")
    (tmp_path / "soft").symlink_to("file")
    for name in ("hard", "soft"):
        copies.write(parent, name, b"content", UID, GID)
        assert is_copy(tmp_path / name, b"content")
    assert (tmp_path / "file").read_text() == "precious"


def test_a_planted_temporary_file(parent: int, tmp_path: Path) -> None:
    """A link where the new file is made beforehand is taken away, not followed."""
    (tmp_path / "file").write_text("precious")
    (tmp_path / f".copy.{os.getpid()}~").symlink_to("file")
    copies.write(parent, "copy", b"content", UID, GID)
    assert (tmp_path / "file").read_text() == "precious"
    assert is_copy(tmp_path / "copy", b"content")


def test_a_directory_in_the_way(parent: int, tmp_path: Path) -> None:
    """It stays, and so does nothing else."""
    (tmp_path / "copy").mkdir()
    with pytest.raises(IsADirectoryError):
        copies.write(parent, "copy", b"content", UID, GID)
    assert os.listdir(tmp_path) == ["copy"]


def test_what_is_no_copy(tmp_path: Path) -> None:
    """Another content, others' rights, and what is no file."""
    path = tmp_path / "file"
    path.write_bytes(b"content")
    path.chmod(0o600)
    assert is_copy(path, b"content")
    assert not is_copy(path, b"CONTENT")
    assert not is_copy(path, b"content and more")
    path.chmod(0o644)
    assert not is_copy(path, b"content")
    os.mkfifo(tmp_path / "fifo", 0o600)
    assert not is_copy(tmp_path / "fifo", b"")


def test_too_much_is_not_read(tmp_path: Path) -> None:
    """However large a file is, no more than the limit comes into memory."""
    (tmp_path / "file").touch()
    os.truncate(tmp_path / "file", 1 << 40)
    descriptor = os.open(tmp_path / "file", os.O_PATH)
    try:
        with pytest.raises(ValueError, match="larger than 100 bytes"):
            copies.read(descriptor, 100)
    finally:
        os.close(descriptor)
