# SPDX-License-Identifier: GPL-3.0-or-later
"""Colour, tables and texts that want to control the terminal."""

import contextlib
import os
import pty
import re
import sys
from collections.abc import Iterator
from typing import TextIO

import pytest

from kapsule.cli import output
from kapsule.errors import KapsuleError


def _shown(terminal: tuple[int, TextIO]) -> str:
    """Close the stream and return all that the terminal got."""
    master, stream = terminal
    stream.close()
    chunks = []
    with contextlib.suppress(OSError):  # how a pty says that its other end is closed (pty(7))
        while chunk := os.read(master, 4096):
            chunks.append(chunk)
    return b"".join(chunks).decode()


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, TextIO]]:
    """A terminal: its master, and a stream that writes to it."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    master, slave = pty.openpty()
    with os.fdopen(slave, "w") as stream:
        yield master, stream
    os.close(master)


def test_colour_is_for_terminals(terminal: tuple[int, TextIO]) -> None:
    """A pipe gets none."""
    assert output.has_colour(terminal[1])
    source, sink = os.pipe()
    with os.fdopen(sink, "w") as pipe:
        assert not output.has_colour(pipe)
    os.close(source)
    assert not output.has_colour(None)


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_can_be_refused(
    terminal: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """By the variable that all programs know, and by a terminal that has none."""
    monkeypatch.setenv(variable, value)
    assert not output.has_colour(terminal[1])
    assert output.paint("x", output.RED, terminal[1]) == "x"


def test_an_empty_no_color_does_not_count(
    terminal: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    """https://no-color.org: present and not an empty string."""
    monkeypatch.setenv("NO_COLOR", "")
    assert output.paint("x", output.RED, terminal[1]) == "\x1b[31mx\x1b[0m"


def test_errors_are_marked_in_colour(
    terminal: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark only, so that the text can be read and copied."""
    monkeypatch.setattr(sys, "stderr", terminal[1])
    output.error(KapsuleError("it broke", hint="mend it"))
    expected = "\x1b[31mError:\x1b[0m it broke\r\n\x1b[33mHint:\x1b[0m mend it\r\n"
    assert _shown(terminal) == expected


def test_texts_of_others_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Escape sequences are spelled out; lines and tabs stay."""
    output.say("a\x1b]0;title\x07b\x9b31mc\nd\te\x00\x7f")
    assert capsys.readouterr().err == "a\\x1b]0;title\\x07b\\x9b31mc\nd\te\\x00\\x7f\n"
    assert output.clean_line("a\nb\tc") == "a\\x0ab\\x09c"


def test_a_table_on_a_terminal_keeps_names_whole(
    terminal: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other columns give way; what looks like markup is text."""
    monkeypatch.setattr(sys, "stdout", terminal[1])
    name = "n" * 50
    output.table(("NAME", "IMAGE"), [(name, "[bold]x[/] " + "y" * 40), ("b", "z")])
    shown = _shown(terminal)
    assert name in shown
    assert "y" * 40 not in shown
    assert "[bold" in shown
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert max(len(line) for line in plain.splitlines()) <= 60


def test_an_encoding_that_cannot_show_a_result_replaces(
    monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]
) -> None:
    """A description in Chinese is no reason to fail in a Latin locale."""
    path = os.path.join(tmp_path, "out")
    with open(path, "w", encoding="latin-1") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        output.result("ü 容器")
    with open(path, encoding="latin-1") as stream:
        assert stream.read() == "ü ??\n"
