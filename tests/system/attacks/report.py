# SPDX-License-Identifier: GPL-3.0-or-later
"""Findings -> the table that `make attack` prints, and the one in the documentation. Pure."""

from collections.abc import Iterable, Sequence

from tests.system.attacks.attack import LEVELS, Attack
from tests.system.attacks.judge import Finding

_WORDS = {
    "refused": "refused",
    "open": "open by design",
    "through": "CAME THROUGH",
    "closed": "REFUSED, NOT OPEN",
    "untold": "-",
}


def kind(finding: Finding) -> str:
    """Return what a finding counts as: a key of the table's words."""
    if finding.untold:
        return "untold"
    if finding.holds:
        return "open" if finding.is_open else "refused"
    return "through" if finding.is_open else "closed"


def row(attack: Attack, findings: Sequence[Finding], width: int) -> str:
    """Return the line of an attack."""
    words = "".join(f"{_WORDS[kind(finding)]:18}" for finding in findings)
    return f"{attack.name:{width}}  {words}".rstrip()


def heading(width: int) -> str:
    """Return the line above the table."""
    return f"{'attempt':{width}}  " + "".join(f"{level:18}" for level in LEVELS).rstrip()


def counts(findings: Iterable[Finding]) -> list[str]:
    """Return the lines below the table: how many were tried, refused and open by design."""
    findings = list(findings)
    lines = []
    for level in LEVELS:
        kinds = [kind(each) for each in findings if each.level == level]
        tried = len(kinds) - kinds.count("untold")
        wrong = kinds.count("through") + kinds.count("closed")
        lines.append(
            f"{level:8}  tried {tried:3}  refused {kinds.count('refused'):3}"
            f"  open by design {kinds.count('open'):3}"
            f"  cannot be told here {kinds.count('untold'):3}" + f"  WRONG {wrong}" * bool(wrong)
        )
    return lines


def open_table(attacks: Iterable[Attack], levels: Sequence[str]) -> list[str]:
    """Return the lines of the documentation's table of what is open at some levels, and why."""
    lines = ["| attempt | what it tries | open at | because |", "|---|---|---|---|"]
    for attack in attacks:
        reasons: dict[str, list[str]] = {}
        for level in levels:
            if level in attack.open_at:
                reasons.setdefault(attack.open_at[level], []).append(f"`{level}`")
        for reason, names in reasons.items():
            lines.append(f"| `{attack.name}` | {attack.tries} | {', '.join(names)} | {reason} |")
    return lines
