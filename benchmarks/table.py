# SPDX-License-Identifier: GPL-3.0-or-later
"""The table at the end: figures and budgets side by side."""

import operator
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.measure import Series

_HEADER = ("what", "ours", "theirs", "ratio", "budget", "met")


class Budget(NamedTuple):
    """What a figure has to keep to.

    limit: the bound, which is met too. is_met: compares the figure with it. sign: how to print
    that. of_ratio: whether it bounds ours / theirs instead of ours.
    """

    limit: float
    is_met: Callable[[float, float], bool]
    sign: str
    of_ratio: bool


def ratio_at_most(limit: float) -> Budget:
    """Return the budget: at most so many times theirs."""
    return Budget(limit, operator.le, "<=", of_ratio=True)


def ratio_at_least(limit: float) -> Budget:
    """Return the budget: at least so many times theirs."""
    return Budget(limit, operator.ge, ">=", of_ratio=True)


def at_most(limit: float) -> Budget:
    """Return the budget: at most so much, in the unit of the row."""
    return Budget(limit, operator.le, "<=", of_ratio=False)


class Row(NamedTuple):
    """One line of the table.

    what: what was measured, and against what. unit: of both figures. ours, theirs: the figures;
    instead of theirs a word that says why there is none. budget: None where none is set.
    """

    what: str
    unit: str
    ours: Series
    theirs: Series | str = ""
    budget: Budget | None = None

    @property
    def ratio(self) -> float | None:
        """Ours / theirs."""
        if isinstance(self.theirs, str):
            return None
        return self.ours.median / self.theirs.median

    @property
    def met(self) -> bool | None:
        """Whether the budget is kept to; None where that cannot be said."""
        if self.budget is None:
            return None
        value = self.ratio if self.budget.of_ratio else self.ours.median
        return None if value is None else self.budget.is_met(value, self.budget.limit)


class Report(NamedTuple):
    """What a benchmark found: rows of the table, and lines to print below it."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def to_text(rows: Sequence[Row]) -> str:
    """Return the table."""
    lines = [_HEADER, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def breakdown(title: str, parts: Sequence[tuple[str, Series]], unit: str) -> str:
    """Return a list of figures, one a line, below a title."""
    width = max(len(name) for name, _ in parts)
    lines = [f"  {name.ljust(width)}  {_figure(series, unit)}" for name, series in parts]
    return "\n".join([title, *lines])


def _cells(row: Row) -> tuple[str, ...]:
    theirs = row.theirs if isinstance(row.theirs, str) else _figure(row.theirs, row.unit)
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    met = {True: "yes", False: "MISSED", None: ""}[row.met]
    return row.what, _figure(row.ours, row.unit), theirs, ratio, _bound(row), met


def _bound(row: Row) -> str:
    if row.budget is None:
        return ""
    unit = " x" if row.budget.of_ratio else f" {row.unit}"
    return f"{row.budget.sign} {row.budget.limit:g}{unit}"


def _figure(series: Series, unit: str) -> str:
    deviation = f" ± {series.deviation:.1f}" if len(series.values) > 1 else ""
    digits = 1 if series.median >= 1 or series.median == 0 else 2
    return f"{series.median:.{digits}f}{deviation} {unit}".rstrip()
