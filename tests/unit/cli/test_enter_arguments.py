# SPDX-License-Identifier: GPL-3.0-or-later
"""Which words of `kapsule enter` are ours, and which are the command's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapsule.cli.enter_arguments import parse
from kapsule.cli.enter_words import EnterArguments, parse_plain

NOTHING = EnterArguments("", [], "", [], clean_env=False, root=False, osc=True)

WORDS = st.lists(st.text())
NAMES = st.text().filter(lambda name: not name.startswith("-"))


@pytest.mark.parametrize(
    ("argv", "name", "command"),
    [
        ([], "", []),
        (["c"], "c", []),
        ([""], "", []),
        (["", "ls"], "", ["ls"]),
        (["", "--", "ls"], "", ["ls"]),
        (["--", "ls", "-l"], "", ["ls", "-l"]),
        (["--"], "", []),
        (["c", "--"], "c", []),
        (["c", "--", "ls"], "c", ["ls"]),
        (["c", "ls", "--flag"], "c", ["ls", "--flag"]),
        (["c", "ls", "--", "x"], "c", ["ls", "--", "x"]),
        (["c", "--", "--", "x"], "c", ["--", "x"]),
        (["--", "--", "x"], "", ["--", "x"]),
        (["c", "--cwd", "/x"], "c", ["--cwd", "/x"]),
        (["c", "--help"], "c", ["--help"]),
        (["c", "-h"], "c", ["-h"]),
        (["--", "--help"], "", ["--help"]),
        (["c", "", "a b", "a\nb", "'", '"', "$HOME"], "c", ["", "a b", "a\nb", "'", '"', "$HOME"]),
        (["-", "x"], "-", ["x"]),
    ],
)
def test_name_and_command(argv: list[str], name: str, command: list[str]) -> None:
    """The first word that is no flag is the name, all behind it is the command."""
    assert parse(argv) == NOTHING._replace(name=name, command=command)


def test_flags_before_the_name_are_ours() -> None:
    """With either spelling of a value."""
    asked = parse(["--cwd", "/x", "--env=A=1", "--env", "B", "--root", "c", "--", "cmd", "-x"])
    expected = NOTHING._replace(name="c", command=["cmd", "-x"], cwd="/x", env=["A=1", "B"])
    assert asked == expected._replace(root=True)


def test_flags_with_the_default_container() -> None:
    """No name is needed where `--` ends the flags."""
    asked = parse(["--clean-env", "--no-osc", "--", "cmd"])
    assert asked == NOTHING._replace(command=["cmd"], clean_env=True, osc=False)


@pytest.mark.parametrize("value", ["--", "-x", "--env", "", "a=b", "a b", "--cwd"])
def test_a_value_may_look_like_anything(value: str) -> None:
    """The word behind a flag that takes a value is its value."""
    assert parse(["--cwd", value, "c"]) == NOTHING._replace(name="c", cwd=value)
    assert parse([f"--env={value}", "c"]) == NOTHING._replace(name="c", env=[value])


@pytest.mark.parametrize(
    "argv", [["--cwd"], ["--env"], ["--bogus", "c"], ["-x", "c"], ["--ro", "c"], ["--root=1", "c"]]
)
def test_bad_flags_are_usage_errors(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A missing value, an unknown or an abbreviated flag: status 2, and where help is."""
    with pytest.raises(SystemExit) as caught:
        parse(argv)
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: ")
    assert "enter --help" in err


def test_help_is_a_result(capsys: pytest.CaptureFixture[str]) -> None:
    """It goes to stdout, with status 0, and hides what only tests use."""
    with pytest.raises(SystemExit) as caught:
        parse(["--help"])
    assert caught.value.code == 0
    out, err = capsys.readouterr()
    assert "--clean-env" in out
    assert "--no-osc" not in out
    assert err == ""


@given(NAMES, WORDS)
def test_every_word_behind_name_and_dashes_arrives(name: str, words: list[str]) -> None:
    """Whatever the command is, it is not looked at."""
    assert parse([name, "--", *words]) == NOTHING._replace(name=name, command=words)


@given(WORDS)
def test_every_word_behind_dashes_arrives(words: list[str]) -> None:
    """The same for the default container."""
    assert parse(["--", *words]) == NOTHING._replace(command=words)


@given(NAMES, st.text().filter(lambda word: word != "--"), WORDS)
def test_every_word_behind_the_name_arrives(name: str, first: str, words: list[str]) -> None:
    """Without dashes too."""
    assert parse([name, first, *words]) == NOTHING._replace(name=name, command=[first, *words])


@given(st.lists(st.text()), st.text(), st.booleans(), st.booleans(), NAMES, WORDS)
def test_flags_never_mix_with_the_command(
    env: list[str], cwd: str, clean: bool, root: bool, name: str, words: list[str]
) -> None:
    """All that we wrote before the name comes back, and nothing else does."""
    flags = [part for value in env for part in ("--env", value)]
    flags += ["--cwd", cwd] + ["--clean-env"] * clean + ["--root"] * root
    expected = EnterArguments(name, words, cwd, env, clean_env=clean, root=root, osc=True)
    assert parse([*flags, name, "--", *words]) == expected


@given(st.lists(st.text()))
def test_the_short_way_says_the_same(words: list[str]) -> None:
    """Without a flag of ours, argparse has nothing to add."""
    plain = parse_plain(words)
    if plain is None:
        assert words[0].startswith("-")
    else:
        assert plain._replace(env=[]) == parse(words)
