# SPDX-License-Identifier: GPL-3.0-or-later
import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from kapsule.errors import Busy, NotSupported
from kapsule.host import delegated_ids
from kapsule.host.delegated_ids import delegate

RANGE = "root:1000000:1000000000\n"


def _etc(folder: Path, subuid: str = RANGE, subgid: str = RANGE) -> Path:
    (folder / "subuid").write_text(subuid)
    (folder / "subgid").write_text(subgid)
    return folder


def _gone() -> int:
    """Return the number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


async def test_what_is_missing_is_added(tmp_path: Path) -> None:
    """One line for the uid, one for the gid; nothing else changes, and twice is as once."""
    etc = _etc(tmp_path, RANGE + "alice:100000:65536")
    (etc / "subuid").chmod(0o640)
    for _ in range(2):
        await delegate(1000, 100, etc)
    assert (etc / "subuid").read_text() == RANGE + "alice:100000:65536\nroot:1000:1\n"
    assert (etc / "subgid").read_text() == RANGE + "root:100:1\n"
    assert (etc / "subuid").stat().st_mode & 0o777 == 0o640
    assert sorted(os.listdir(etc)) == ["subgid", "subuid"]


@pytest.mark.parametrize("line", ["root:0:5000\n", "0:1000:1\n", "root:1000:1\n"])
async def test_what_is_there_is_left(tmp_path: Path, line: str) -> None:
    """Root has the ids already, by its name or by its number."""
    etc = _etc(tmp_path, RANGE + line, RANGE + line)
    await delegate(1000, 1000, etc)
    assert (etc / "subuid").read_text() == RANGE + line


async def test_root_is_never_handed_out(tmp_path: Path) -> None:
    """The host's root does not become root in a container."""
    etc = _etc(tmp_path)
    await delegate(0, 0, etc)
    assert (etc / "subuid").read_text() == (etc / "subgid").read_text() == RANGE


async def test_without_the_files(tmp_path: Path) -> None:
    """Where nobody keeps such files, nobody asks for them."""
    await delegate(1000, 1000, tmp_path)
    assert os.listdir(tmp_path) == []


async def test_root_without_a_range(tmp_path: Path) -> None:
    """Incus could not map anything then; the hint says what to add."""
    with pytest.raises(NotSupported, match="gives root no range") as raised:
        await delegate(1000, 1000, _etc(tmp_path, "root:1000:1\n", "root:1000:1\n"))
    assert "1000000000" in raised.value.hint


async def test_many_at_once(tmp_path: Path) -> None:
    """No line is lost when several are added at the same time."""
    etc = _etc(tmp_path)
    await asyncio.gather(*(delegate(uid, uid, etc) for uid in range(2000, 2012)))
    lines = (etc / "subuid").read_text().splitlines()
    assert sorted(lines[1:]) == sorted(f"root:{uid}:1" for uid in range(2000, 2012))


async def test_a_lock_that_was_left_behind(tmp_path: Path) -> None:
    """Whoever was killed, or lost power, while it had the file locked has it locked no longer."""
    gone = _gone()
    etc = _etc(tmp_path)
    (etc / "subuid.lock").write_bytes(b"%d\0" % gone)  # as shadow's programs write it
    (etc / "subgid.lock").write_bytes(b"%d" % os.getpid())  # a process that had our number before
    await delegate(1000, 1000, etc)
    assert (etc / "subuid").read_text() == RANGE + "root:1000:1\n"
    assert (etc / "subgid").read_text() == RANGE + "root:1000:1\n"
    assert sorted(os.listdir(etc)) == ["subgid", "subuid"]


async def test_a_lock_of_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What somebody else keeps locked is left alone, and nothing is left behind."""
    monkeypatch.setattr(delegated_ids, "_PATIENCE", 0.1)
    etc = _etc(tmp_path)
    (etc / "subuid.lock").write_bytes(b"%d\0" % os.getppid())
    with pytest.raises(Busy, match=r"keeps .*subuid locked"):
        await delegate(1000, 1000, etc)
    assert (etc / "subuid").read_text() == RANGE
    assert sorted(os.listdir(etc)) == ["subgid", "subuid", "subuid.lock"]


async def test_files_that_make_no_sense(tmp_path: Path) -> None:
    """Lines that are none are passed over and kept."""
    etc = _etc(tmp_path, RANGE + "# note\nroot:x:1\nroot:5\n")
    await delegate(1000, 1000, etc)
    assert (etc / "subuid").read_text() == RANGE + "# note\nroot:x:1\nroot:5\nroot:1000:1\n"
