# SPDX-License-Identifier: GPL-3.0-or-later
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kapsule.session import program

WORDS = st.text(st.characters(exclude_characters="\0", codec="utf-8"))


def test_no_command_is_the_login_shell() -> None:
    """The dash before its name makes it one."""
    assert program.choose("/bin/bash", ()) == program.Program("/bin/bash", ("-bash",))


@pytest.mark.parametrize("shell", ["/usr/bin/fish", "/bin/busybox"])
def test_a_command_runs_by_way_of_a_shell_that_takes_it(shell: str) -> None:
    """A shell that is not of the POSIX kind, or not by this name, is left to terminals."""
    assert program.choose(shell, ("ls",)).path == "/bin/sh"


@pytest.mark.parametrize("shell", ["/bin/bash", "/bin/dash"])
def test_a_command_that_looks_like_an_option(shell: str) -> None:
    """It is a command that is not found, not an option of the shell's `exec`."""
    chosen = program.choose(shell, ("--help",))
    result = subprocess.run(chosen.arguments, executable=chosen.path, capture_output=True)
    assert result.returncode == 127


@settings(max_examples=40, deadline=None)
@given(st.lists(WORDS, min_size=1))
def test_words_arrive_unchanged(words: list[str]) -> None:
    """Empty words, blanks, quotes, newlines and patterns reach the command as they are."""
    chosen = program.choose("/bin/sh", ("printf", "%s\\0", *words))
    result = subprocess.run(
        chosen.arguments, executable=chosen.path, capture_output=True, env={"PATH": "/usr/bin:/bin"}
    )
    assert result.stdout.decode().split("\0")[:-1] == words


@pytest.mark.parametrize("content", ["", None])
def test_a_missing_shell_is_replaced_by_the_plain_one(tmp_path: Path, content: str | None) -> None:
    """A file that cannot be executed is as good as none."""
    shell = tmp_path / "zsh"
    if content is not None:
        shell.write_text(content)
    assert program.find_shell(str(shell)) == "/bin/sh"
