# SPDX-License-Identifier: GPL-3.0-or-later
"""What an attack is, and the list of them all. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.system.attacks.actor import Actor
    from tests.system.attacks.scene import Scene

FULL, HOME, PROJECT, SEALED = "full", "home", "project", "sealed"
LEVELS = (FULL, HOME, PROJECT, SEALED)

REFUSED, THROUGH, ABSENT = "refused", "came through", "absent"


class Refused(Exception):
    """The attempt was refused; the text says by what."""


class Absent(Exception):
    """This host does not have what is attacked; the text says what."""


Run = Callable[["Scene", "Actor"], str]


@dataclass(frozen=True, slots=True)
class Attack:
    """One attempt.

    tries: what it is, in one sentence. run: carries it out by an actor; returns what was seen when
    it came through, raises Refused or Absent. open_at: the levels at which it comes through, each
    with the reason. control: does what the attempt would do where it is allowed, and so shows that
    it would be noticed; None: the attempt itself, by the host's root, where no level is open to it.
    unshown: why even the control may be refused, for attempts that take what not every host has.
    """

    name: str
    tries: str
    run: Run
    open_at: Mapping[str, str] = field(default_factory=dict)
    control: Run | None = None
    unshown: str = ""


ATTACKS: list[Attack] = []


def attack(
    name: str,
    tries: str,
    *,
    open_at: Mapping[str, str] | None = None,
    control: Run | None = None,
    unshown: str = "",
) -> Callable[[Run], Run]:
    """Put a function into the list."""

    def add(run: Run) -> Run:
        ATTACKS.append(Attack(name, tries, run, open_at or {}, control, unshown))
        return run

    return add


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt: REFUSED, THROUGH or ABSENT, and what was seen."""

    verdict: str
    seen: str


def attempt(run: Run, scene: "Scene", actor: "Actor") -> Outcome:
    """Carry an attempt out."""
    try:
        return Outcome(THROUGH, run(scene, actor))
    except Refused as refusal:
        return Outcome(REFUSED, str(refusal))
    except Absent as absence:
        return Outcome(ABSENT, str(absence))


def expect(came_through: object, seen: object) -> str:
    """Return what was seen; raise Refused, with the same, when that is no success."""
    text = " ".join(str(seen).split())[:160]
    if not came_through:
        raise Refused(text or "nothing to be seen")
    return text
