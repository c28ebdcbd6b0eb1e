# SPDX-License-Identifier: GPL-3.0-or-later
"""The border between containers and the host, attacked from inside: tests/system/attacks."""

from collections.abc import Iterator

import pytest

from tests.system.attacks.attack import ABSENT, LEVELS, REFUSED, THROUGH, Attack
from tests.system.attacks.catalogue import all_attacks
from tests.system.attacks.judge import Judge
from tests.system.attacks.scene import scene

_ATTACKS = {attack.name: attack for attack in all_attacks()}


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    """Who carries attacks out, on a container of each level."""
    with scene() as stage:
        yield Judge(stage)


@pytest.fixture(params=_ATTACKS)
def attack(request: pytest.FixtureRequest) -> Attack:
    """Each attack."""
    return _ATTACKS[request.param]


@pytest.mark.parametrize("level", LEVELS)
def test_attack(judge: Judge, attack: Attack, level: str) -> None:
    """It is refused, or comes through where the list says so: the documentation is made of that."""
    finding = judge.finding(attack, level)
    if finding.untold:
        pytest.skip(finding.untold)
    assert finding.holds, f"{attack.tries}: {finding.outcome.verdict}: {finding.outcome.seen}"


def test_it_would_be_noticed(judge: Judge, attack: Attack) -> None:
    """Where it is allowed, the same attempt comes through, so that the check is one."""
    outcome = judge.control(attack)
    if outcome.verdict == ABSENT:
        pytest.skip(outcome.seen)
    if outcome.verdict == REFUSED and attack.unshown:
        pytest.skip(attack.unshown)
    assert outcome.verdict == THROUGH, outcome.seen
