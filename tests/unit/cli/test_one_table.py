# SPDX-License-Identifier: GPL-3.0-or-later
"""Adding an option is one edit: a row more in the table is a row more everywhere."""

import argparse
import json

import pytest

from kapsule.cli import create, generate
from kapsule.cli.parser import Parser
from kapsule.options.arguments import collect
from kapsule.options.document import to_markdown
from kapsule.options.parse import merge_options, parse_options
from kapsule.options.schema import ARRAY, BOOLEAN, STRING, Option, OptionValue, Schema, Section
from kapsule.options.table import CREATE_OPTIONS
from kapsule.options.wire import from_variants, to_json, to_variants

NEW = (
    Option(
        "fast_lane", BOOLEAN, False, "Fast Lane", "Take the fast lane", requires=(("gpu", True),)
    ),
    Option("net_kind", STRING, "host", "Network", "Use this network", choices=("host", "isolated")),
    Option("extra_words", ARRAY, (), "Extra Words", "Say this word", metavar="WORD"),
)
TABLE = Schema((*CREATE_OPTIONS.sections, Section("new", "Brand New", NEW)))
VALUES: dict[str, OptionValue] = {
    "fast_lane": True,
    "net_kind": "isolated",
    "extra_words": ("a", "b"),
}
WORDS = ["--fast-lane", "--net-kind", "isolated", "--extra-words", "a", "--extra-words", "b"]
FLAGS = ["--fast-lane", "--no-fast-lane", "--net-kind", "--extra-words"]


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    """The command line, had the table those rows."""
    built: argparse.ArgumentParser = Parser(prog="kapsule")
    create.add_parser(built.add_subparsers(), TABLE)
    return built


def test_the_daemon_checks_and_completes_them() -> None:
    """Types, choices, defaults and requirements come from the row."""
    assert parse_options(TABLE, VALUES) == VALUES
    merged = merge_options(TABLE, {}, {})
    assert {key: merged[key] for key in VALUES} == {
        "fast_lane": False,
        "net_kind": "host",
        "extra_words": (),
    }
    with pytest.raises(Exception, match="--fast-lane requires --gpu"):
        merge_options(TABLE, {}, {"fast_lane": True, "gpu": False})


def test_they_are_in_the_json_for_forms() -> None:
    """As a section of their own, each with its type."""
    section = json.loads(to_json(TABLE))["sections"][-1]
    assert section["title"] == "Brand New"
    assert [(option["key"], option["type"]) for option in section["options"]] == [
        ("fast_lane", "boolean"),
        ("net_kind", "string"),
        ("extra_words", "array"),
    ]


def test_they_travel_over_the_bus() -> None:
    """Out as variants, and back as what they were."""
    sent = to_variants(VALUES)
    assert [signature for signature, _ in sent.values()] == ["b", "s", "as"]
    received = from_variants({key: value for key, (_, value) in sent.items()})
    assert parse_options(TABLE, received) == VALUES


def test_they_are_flags(parser: argparse.ArgumentParser) -> None:
    """And only those given are sent."""
    assert collect(parser.parse_args(["create", "c", *WORDS]), TABLE) == VALUES
    assert collect(parser.parse_args(["create", "c"]), TABLE) == {}


def test_they_are_in_the_help(
    parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]
) -> None:
    """With section, description, choices and default."""
    with pytest.raises(SystemExit):
        parser.parse_args(["create", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "Brand New: --fast-lane Take the fast lane" in text
    assert "--net-kind {host,isolated} Use this network (default: host)" in text
    assert "--extra-words WORD Say this word; can be repeated" in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_they_are_completed(parser: argparse.ArgumentParser, shell: str) -> None:
    """Flags and choices, in every shell."""
    script = generate.completion(parser, shell)
    for flag in FLAGS:
        assert (f"-l {flag[2:]} " if shell == "fish" else flag) in script
    assert "isolated" in script


def test_they_are_in_the_man_page(parser: argparse.ArgumentParser) -> None:
    """Of the verb and of the whole."""
    for name in ("kapsule.1", "kapsule-create.1"):
        page = generate.man_pages(parser)[name].replace("\\-", "-")
        for flag in FLAGS:
            assert flag in page


def test_they_are_in_the_documentation() -> None:
    """With key and default."""
    page = to_markdown(TABLE)
    assert "`--fast-lane`, `--no-fast-lane`" in page
    assert "key `net_kind`; string; default `host`; one of `host`, `isolated`" in page
    assert "`--extra-words WORD`, can be repeated" in page
