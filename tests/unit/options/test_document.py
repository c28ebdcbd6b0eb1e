# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of documentation that is made from the table."""

from kapsule.options.document import to_markdown
from kapsule.options.table import CREATE_OPTIONS


def test_every_option_is_in_the_page_with_its_flags_and_default() -> None:
    """Nothing that can be set is missing."""
    page = to_markdown(CREATE_OPTIONS)
    for option in CREATE_OPTIONS.options:
        assert f"key `{option.key}`" in page
        assert option.flag in page
    assert "### Mount Home Directory: `--mount-home`, `--no-mount-home`" in page
    assert "key `nvidia_drivers`; boolean; default off; requires `--gpu`; refused for now" in page


def test_the_page_says_that_it_is_generated() -> None:
    """Nobody should edit it by hand."""
    assert "scripts/generate" in to_markdown(CREATE_OPTIONS)
