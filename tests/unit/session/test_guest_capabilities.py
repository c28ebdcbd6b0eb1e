# SPDX-License-Identifier: GPL-3.0-or-later
import os
from pathlib import Path

import pytest

from kapsule.session.guest_actions import (
    NO_CAPABILITY,
    SetFileCapability,
    actions_from_wire,
    actions_to_wire,
)
from kapsule.session.guest_files import apply

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="takes CAP_SETFCAP")

_CAP_SETUID = 7
# What `setcap cap_setuid=ep` writes.
_SETUID = bytes.fromhex("0100000280000000000000000000000000000000")


def _program(directory: Path, mode: int = 0o755) -> Path:
    program = directory / "newuidmap"
    program.write_text("program")
    program.chmod(mode)
    return program


def test_a_program_gets_its_capability(tmp_path: Path) -> None:
    """A program that lost it gets it back, and that can be undone."""
    program = _program(tmp_path)
    undo = apply([SetFileCapability(str(program), _CAP_SETUID)])
    assert os.getxattr(program, "security.capability") == _SETUID
    assert undo == [SetFileCapability(str(program), NO_CAPABILITY)]
    apply(undo)
    assert os.listxattr(program) == []


def test_rights_that_it_has(tmp_path: Path) -> None:
    """A program with the set-uid bit, or with an attribute of its own, stays as it is."""
    program = _program(tmp_path, 0o4755)
    assert apply([SetFileCapability(str(program), _CAP_SETUID)]) == []
    assert os.listxattr(program) == []
    program.chmod(0o755)
    apply([SetFileCapability(str(program), 6)])
    before = os.getxattr(program, "security.capability")
    assert apply([SetFileCapability(str(program), _CAP_SETUID)]) == []
    assert os.getxattr(program, "security.capability") == before


def test_no_program(tmp_path: Path) -> None:
    """Nothing happens where there is none, and what a link leads to is left alone."""
    link = tmp_path / "link"
    link.symlink_to(_program(tmp_path))
    paths = (tmp_path / "absent", tmp_path, link, tmp_path / "newuidmap" / "x")
    assert apply([SetFileCapability(str(path), _CAP_SETUID) for path in paths]) == []
    assert os.listxattr(tmp_path / "newuidmap") == []


def test_on_the_wire() -> None:
    """It travels as JSON like every other action."""
    actions = [SetFileCapability("/x", 7)]
    assert actions_from_wire(actions_to_wire(actions)) == actions
