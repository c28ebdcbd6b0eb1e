# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/threat-model.md names tests that there are, and what is open as the attacks show it."""

import re
from pathlib import Path

from tests.system.attacks.attack import LEVELS
from tests.system.attacks.catalogue import all_attacks
from tests.system.attacks.report import open_table

_ROOT = Path(__file__).parents[2]
_TEXT = (_ROOT / "docs/threat-model.md").read_text()


def test_tests_that_are_named_exist() -> None:
    """Each function that holds a promise is in its file."""
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", _TEXT)
    assert len(named) > 20
    for path, function in named:
        assert f"def {function}(" in (_ROOT / path).read_text(), f"{path}::{function}"


def test_every_attack_is_named() -> None:
    """Attacks that are named exist, and each one holds a promise or is open by design."""
    named = set(re.findall(r"`attack:([\w-]+)`", _TEXT))
    attacks = {attack.name: attack for attack in all_attacks()}
    assert named <= attacks.keys()
    assert {name for name in attacks.keys() - named if not attacks[name].open_at} == set()


def test_names_are_unique() -> None:
    """Two attacks of one name would be taken for one."""
    found = [attack.name for attack in all_attacks()]
    assert len(found) == len(set(found))


def test_the_table_of_what_is_open() -> None:
    """It is what the attacks are checked against."""
    table = _TEXT.partition("<!-- attacks: begin -->\n")[2].partition("<!-- attacks: end -->")[0]
    assert table.splitlines() == open_table(all_attacks(), LEVELS)
