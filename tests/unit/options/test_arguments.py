# SPDX-License-Identifier: GPL-3.0-or-later
"""The table on the command line."""

import argparse
import os
from pathlib import Path

import pytest

from kapsule.options.arguments import add_arguments, collect
from kapsule.options.schema import STRING, Option, OptionValue, Schema, Section
from kapsule.options.table import CREATE_OPTIONS

WITH_STRING = Schema(
    (
        Section(
            "net",
            "Network",
            (
                Option("network", STRING, "host", "Net", "100 % net", choices=("host", "none")),
                Option("name", STRING, "", "Name", "Any text"),
            ),
        ),
    )
)


def _parser(schema: Schema) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="test", allow_abbrev=False, exit_on_error=False)
    add_arguments(parser, schema)
    return parser


def _given(*words: str, schema: Schema = CREATE_OPTIONS) -> dict[str, OptionValue]:
    return collect(_parser(schema).parse_args(words), schema)


def test_only_flags_that_were_given_come_back() -> None:
    """What is not typed is left to the image and the daemon."""
    assert _given() == {}
    assert _given("--gpu") == {"gpu": True}


def test_a_boolean_has_both_forms() -> None:
    """Either can be said, also when it is the default."""
    assert _given("--no-mount-home", "--host-rootfs") == {"mount_home": False, "host_rootfs": True}


def test_the_last_form_wins() -> None:
    """A later word corrects an earlier one, as with an alias in the shell."""
    assert _given("--gpu", "--no-gpu") == {"gpu": False}
    assert _given("--no-gpu", "--gpu") == {"gpu": True}


def test_a_list_is_a_repeated_flag() -> None:
    """The order is kept."""
    assert _given("--custom-mounts", "/b", "--custom-mounts=/a") == {"custom_mounts": ("/b", "/a")}


def test_a_relative_directory_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon's working directory is not the caller's."""
    monkeypatch.chdir(tmp_path)
    here = os.getcwd()
    assert _given("--custom-mounts", "src", "--custom-mounts", ".:ro") == {
        "custom_mounts": (f"{here}/src", f"{here}:ro")
    }


def test_a_path_in_the_home_stays_raw() -> None:
    """The container's configuration keeps `~/`, so that it fits another home too."""
    assert _given("--custom-mounts", "~/kde") == {"custom_mounts": ("~/kde",)}


def test_an_empty_path_is_a_usage_error() -> None:
    """It would mean the working directory, which nobody wants by accident."""
    with pytest.raises(argparse.ArgumentError, match="the path is empty"):
        _given("--custom-mounts", "")


def test_a_text_takes_a_value_and_checks_the_choices() -> None:
    """A wrong choice is a usage error, before any call."""
    assert _given("--network", "none", "--name=", schema=WITH_STRING) == {
        "network": "none",
        "name": "",
    }
    with pytest.raises(argparse.ArgumentError, match="invalid choice: 'wlan'"):
        _given("--network", "wlan", schema=WITH_STRING)


def test_the_help_says_defaults_choices_and_what_is_refused() -> None:
    """Whoever reads it need not try."""
    text = " ".join(_parser(WITH_STRING).format_help().split())
    assert "100 % net (default: host)" in text
    assert "{host,none}" in text
    text = " ".join(_parser(CREATE_OPTIONS).format_help().split())
    assert "--no-session-mode The opposite of --session-mode (the default)" in text
    assert "NVIDIA driver injection is not in this version yet" in text
    assert "--custom-mounts PATH Share this directory" in text


def test_the_help_is_grouped_by_section() -> None:
    """Each section's title is a heading."""
    text = _parser(CREATE_OPTIONS).format_help()
    assert [s.title in text for s in CREATE_OPTIONS.sections] == [True] * 4
