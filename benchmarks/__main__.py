# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the benchmarks and print one table, with the budgets beside the figures.

A missed budget is said but is no failure: the machine may be busy with something else.
"""

import argparse
import os
import sys
import time
from types import ModuleType

from benchmarks import create, enter, imports, listing, mounts, startup, throughput
from benchmarks.table import Report, to_text

_BENCHMARKS: dict[str, ModuleType] = {
    "enter": enter,
    "mounts": mounts,
    "create": create,
    "listing": listing,
    "imports": imports,
    "startup": startup,
    "throughput": throughput,
}


def main() -> int:
    """Run those that were named, or all."""
    parser = argparse.ArgumentParser(prog="python3 -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(_BENCHMARKS))
    names = parser.parse_args().names or list(_BENCHMARKS)
    if unknown := sorted(set(names) - set(_BENCHMARKS)):
        parser.error(f"there is no benchmark {', '.join(unknown)}")
    if os.uname().nodename != "box":
        parser.error("benchmarks run in the box: make bench")
    reports = [_run(name) for name in names]
    for report in reports:
        for note in report.notes:
            print(f"{note}\n")
    print(to_text([row for report in reports for row in report.rows]))
    return 0


def _run(name: str) -> Report:
    started = time.monotonic()
    print(f"bench: {name} ...", file=sys.stderr, flush=True)
    report: Report = _BENCHMARKS[name].run()
    print(f"bench: {name} took {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return report


if __name__ == "__main__":
    sys.exit(main())
