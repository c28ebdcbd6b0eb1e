# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from kapsule.containers.stored_options import stored_list, stored_options, to_text
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
