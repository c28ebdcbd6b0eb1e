# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out all attacks at all levels, and print what came of each. Runs as root in the box.

The exit status is 1 when one that must be refused came through, or is not as the list says.
"""

import argparse
import sys

from tests.system.attacks import report
from tests.system.attacks.attack import LEVELS, REFUSED
from tests.system.attacks.catalogue import all_attacks
from tests.system.attacks.judge import Finding, Judge
from tests.system.attacks.scene import scene


def main() -> int:
    """Carry out those that were named, or all."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.system.attacks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which attacks; all")
    parser.add_argument("--seen", action="store_true", help="say what was seen of each")
    options = parser.parse_args()
    attacks = [each for each in all_attacks() if not options.names or each.name in options.names]
    findings: list[Finding] = []
    unnoticed: list[str] = []
    with scene() as stage:
        judge = Judge(stage)
        width = max(len(attack.name) for attack in attacks)
        print(report.heading(width))
        for attack in attacks:
            found = [judge.finding(attack, level) for level in LEVELS]
            findings += found
            print(report.row(attack, found, width), flush=True)
            if options.seen:
                _say(
                    found, f"control: {judge.control(attack).verdict}, {judge.control(attack).seen}"
                )
            if judge.control(attack).verdict == REFUSED and not judge.is_unshown(attack):
                unnoticed.append(attack.name)
    print("\n" + "\n".join(report.counts(findings)))
    return _verdict(findings, unnoticed)


def _say(found: list[Finding], control: str) -> None:
    for finding in found:
        print(f"    {finding.level}: {finding.untold or finding.outcome.seen}")
    print(f"    {control}", flush=True)


def _verdict(findings: list[Finding], unnoticed: list[str]) -> int:
    wrong = [each for each in findings if not each.holds]
    for each in wrong:
        print(f"\n{each.attack.name} at {each.level}: {each.outcome.seen}", file=sys.stderr)
    for name in unnoticed:
        print(f"\n{name}: nobody would notice it if it came through", file=sys.stderr)
    return 1 if wrong or unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
