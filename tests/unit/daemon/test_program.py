# SPDX-License-Identifier: GPL-3.0-or-later
"""What surrounds the service: its log, its pipelines' table, where its command is."""

import logging
import os
from pathlib import Path

import pytest

from kapsule.daemon.__main__ import find_command
from kapsule.daemon.journal import JournalFormatter, is_journal
from kapsule.daemon.notify import READY, notify
from kapsule.daemon.pipelines import PIPELINES, describe_pipelines
from kapsule.pipeline.pipeline import Pipeline


def test_each_line_for_the_journal_has_a_priority() -> None:
    """A traceback's lines are not taken for notices."""
    record = logging.LogRecord("x", logging.ERROR, "f", 1, "one\ntwo", None, None)
    assert JournalFormatter("%(message)s").format(record) == "<3>one\n<3>two"


def test_the_journal_is_known_by_device_and_inode(tmp_path: Path) -> None:
    """The variable alone says nothing: it is inherited by programs with another stderr."""
    with (tmp_path / "log").open("w") as file:
        status = os.fstat(file.fileno())
        assert is_journal(file, f"{status.st_dev}:{status.st_ino}")
        assert not is_journal(file, f"{status.st_dev}:{status.st_ino + 1}")
        assert not is_journal(file, None)


def test_without_a_service_manager_nothing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable and a nonsense one are no errors."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify(READY)
    monkeypatch.setenv("NOTIFY_SOCKET", "vsock:1:2")
    notify(READY)


def test_the_table_of_pipelines_is_in_order() -> None:
    """Every step has a line with number, name and summary, as it runs."""
    pipeline = Pipeline[None]("bake", "Bake a cake")

    async def undo(_: None) -> None:
        """Do nothing."""

    @pipeline.step(200)
    async def eat(_: None) -> None:
        """Eat it."""

    @pipeline.step(100, undo=undo)
    async def mix(_: None) -> None:
        """Mix."""

    assert describe_pipelines([pipeline]).splitlines() == [
        "bake: Bake a cake",
        "    100  mix  Mix. (undone on failure)",
        "    200  eat  Eat it.",
    ]


def test_every_step_of_ours_explains_itself() -> None:
    """The table has a summary for each step of each pipeline."""
    names = {pipeline.name for pipeline in PIPELINES}
    assert names >= {"create", "user-setup", "enter", "start", "stop", "delete", "mount"}
    assert all(step.summary for pipeline in PIPELINES for step in pipeline.steps)


@pytest.mark.parametrize(
    ("daemon", "command"),
    [("venv/bin/kapsule-daemon", "venv/bin/kapsule"), ("lib/kapsule/daemon", "bin/kapsule")],
)
def test_the_command_is_found_beside_the_daemon(tmp_path: Path, daemon: str, command: str) -> None:
    """In a virtual environment it is a neighbour; installed, it is in PREFIX/bin."""
    path = tmp_path / command
    path.parent.mkdir(parents=True)
    path.touch(mode=0o755)
    (tmp_path / "lib" / "kapsule" / "kapsule").mkdir(parents=True)  # the package, not the command
    assert find_command(str(tmp_path / daemon)) == str(path)
