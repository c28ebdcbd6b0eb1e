# SPDX-License-Identifier: GPL-3.0-or-later
import itertools

import pytest

from kapsule.errors import InvalidArgument
from kapsule.options.parse import merge_options
from kapsule.options.schema import OptionValue
from kapsule.options.table import CREATE_OPTIONS
from kapsule.trust.levels import opens, options_at, takes_authorization

LEVELS = ("full", "home", "project", "sealed")
PAIRS = list(itertools.product(LEVELS, LEVELS))


def _at(level: str, **values: OptionValue) -> dict[str, OptionValue]:
    return merge_options(CREATE_OPTIONS, {}, {"trust": level, **values})


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_a_level_is_what_creation_makes_of_it(before: str, after: str) -> None:
    """Whatever a container was, at another level it is like a new one of that level."""
    assert options_at(after, _at(before)) == _at(after)


def test_folders_that_were_named_stay() -> None:
    """They are a choice of their own; a directory in place of the home is part of the level."""
    options = options_at("sealed", _at("full", custom_mounts=("~/src",), home="~/other"))
    assert options["custom_mounts"] == ("~/src",)
    assert (options["home"], options["mount_home"]) == ("", False)


def test_no_such_level() -> None:
    """The hint names those that there are."""
    with pytest.raises(InvalidArgument, match="no level of trust 'half'") as raised:
        options_at("half", _at("full"))
    assert "sealed" in raised.value.hint


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_only_the_way_up_opens(before: str, after: str) -> None:
    """The levels are in order: each is open to nothing that the one before it is not."""
    assert opens(_at(before), _at(after)) is (LEVELS.index(after) < LEVELS.index(before))


@pytest.mark.parametrize(
    ("before", "after"),
    [(before, after) for before in LEVELS for after in ("full", "home")],
)
def test_privilege_takes_an_administrator(before: str, after: str) -> None:
    """Whoever gets a privileged container gets the host."""
    is_up = LEVELS.index(after) < LEVELS.index(before)
    assert takes_authorization(_at(before), _at(after)) is is_up


@pytest.mark.parametrize("before", LEVELS)
@pytest.mark.parametrize("after", ["project", "sealed"])
def test_isolation_takes_none(before: str, after: str) -> None:
    """Everybody may have isolated containers."""
    assert not takes_authorization(_at(before), _at(after))


def test_a_dial_of_a_privileged_container_counts() -> None:
    """It is the dials that are compared, not the names of the levels."""
    closed = _at("full", gpu=False, desktop=False)
    assert takes_authorization(closed, _at("full"))
    assert not takes_authorization(_at("full"), closed)


def test_a_network_that_nobody_knows_opens_nothing() -> None:
    """What others wrote into the configuration is taken for the most open."""
    strange = {**_at("full"), "network": "x"}
    assert not opens(strange, _at("full"))
    assert opens(_at("sealed"), strange)
