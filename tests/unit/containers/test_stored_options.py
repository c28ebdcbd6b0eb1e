# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from kapsule.containers.container import Container
from kapsule.containers.stored_options import (
    options_of,
    stored_list,
    stored_options,
    to_text,
)
from kapsule.options.table import CREATE_OPTIONS


def test_nothing_stored() -> None:
    """Without a word in the configuration, every option has its default."""
    defaults = {option.key: option.default for option in CREATE_OPTIONS.options}
    assert stored_options({}) == defaults


@pytest.mark.parametrize(
    "text", ["5", "null", "true", '"~/x"', '{"~/x": 1}', "[1, null]", "{", "[" * 100_000]
)
def test_what_is_no_list(text: str) -> None:
    """What others wrote where a list belongs is taken for none."""
    assert stored_options({"user.kapsule.custom-mounts": text}) == stored_options({})


def test_a_list() -> None:
    """A list is read as it was written; what is no text in it is left out."""
    assert stored_list(to_text(("~/x", "/y:ro"))) == ("~/x", "/y:ro")
    assert stored_list('["~/x", 7]') == ("~/x",)


@pytest.mark.parametrize("written", ["true", "false"])
def test_what_is_and_not_what_was_written(written: str) -> None:
    """A container is privileged where Incus makes it so, whatever was written down."""
    for value, is_privileged in (("true", True), ("false", False)):
        config = {"user.kapsule.privileged": written, "security.privileged": value}
        container = Container("dev", "Stopped", 1000, "", "", config)
        assert options_of(container)["privileged"] is is_privileged
