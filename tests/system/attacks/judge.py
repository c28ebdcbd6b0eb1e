# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry attacks out, and compare what came of them with what the list says."""

from dataclasses import dataclass

from tests.system.attacks.attack import (
    ABSENT,
    FULL,
    HOME,
    REFUSED,
    THROUGH,
    Attack,
    Outcome,
    attempt,
)
from tests.system.attacks.scene import Scene

_OPEN_LEVELS = (FULL, HOME)  # those that are no border


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of an attack at a level.

    untold: why nothing can be said about it on this host, "" where something can.
    """

    attack: Attack
    level: str
    outcome: Outcome
    untold: str

    @property
    def is_open(self) -> bool:
        """Whether it came through."""
        return self.outcome.verdict == THROUGH

    @property
    def holds(self) -> bool:
        """Whether it is as the list says."""
        return bool(self.untold) or self.is_open == (self.level in self.attack.open_at)


class Judge:
    """Carries attacks out on a scene, each once a level."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._findings: dict[tuple[str, str], Finding] = {}
        self._controls: dict[str, Outcome] = {}

    def control(self, attack: Attack) -> Outcome:
        """Return what came of the same where it is allowed: it must come through."""
        if attack.name not in self._controls:
            self._controls[attack.name] = self._control(attack)
        return self._controls[attack.name]

    def _control(self, attack: Attack) -> Outcome:
        open_levels = [level for level in _OPEN_LEVELS if level in attack.open_at]
        if attack.control is None and open_levels and not attack.unshown:
            return self.finding(attack, open_levels[0]).outcome
        return attempt(attack.control or attack.run, self._scene, self._scene.actor(""))

    def finding(self, attack: Attack, level: str) -> Finding:
        """Return what came of an attack at a level."""
        key = (attack.name, level)
        if key not in self._findings:
            outcome = attempt(attack.run, self._scene, self._scene.actor(level))
            if not self._scene.actor(level).is_alive:
                self._scene.forget_actor(level)
            self._findings[key] = Finding(
                attack, level, outcome, self._untold(attack, level, outcome)
            )
        return self._findings[key]

    def _untold(self, attack: Attack, level: str, outcome: Outcome) -> str:
        if outcome.verdict == ABSENT:
            return outcome.seen
        if level in _OPEN_LEVELS and attack.unshown and self.is_unshown(attack):
            return attack.unshown
        return ""

    def is_unshown(self, attack: Attack) -> bool:
        """Whether this host lets not even its own root do it, as the list says may be."""
        verdict = self.control(attack).verdict
        return verdict == ABSENT or (bool(attack.unshown) and verdict == REFUSED)
