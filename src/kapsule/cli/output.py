# SPDX-License-Identifier: GPL-3.0-or-later
"""What people see: results on stdout, talk on stderr, colour only where it is wanted."""

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from kapsule.errors import KapsuleError

RED, GREEN, YELLOW, DIM, HEADING = "31", "32", "33", "2", "1;34"

_INDENT = "  "
_GAP = "  "

# Texts come from images, guests and other users: nothing in them may control the terminal.
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))}
_CONTROL_BUT_LINES = {code: text for code, text in _CONTROL.items() if chr(code) not in "\n\t"}


def has_colour(stream: TextIO | None) -> bool:
    """Whether to colour what goes to this stream (https://no-color.org)."""
    if stream is None or os.environ.get("NO_COLOR"):
        return False
    return os.environ.get("TERM", "dumb") != "dumb" and stream.isatty()


def paint(text: str, style: str, stream: TextIO | None) -> str:
    """Return the text in a style (SGR parameters), or as it is where there is no colour."""
    return f"\x1b[{style}m{text}\x1b[0m" if style and has_colour(stream) else text


def clean(text: str) -> str:
    """Return the text with its control characters spelled out, all but newlines and tabs."""
    return text.translate(_CONTROL_BUT_LINES)


def clean_line(text: str) -> str:
    """Return the text with every control character spelled out."""
    return text.translate(_CONTROL)


def say(text: str, style: str = "", *, mark: str = "", indent: int = 0) -> None:
    """Print a line of talk on stderr.

    style: of the mark, if there is one, else of the text. mark: what stands before the text.
    """
    shown = clean(text)
    if mark:
        shown = f"{paint(mark, style, sys.stderr)} {shown}"
    elif style:
        shown = paint(shown, style, sys.stderr)
    print(_INDENT * indent + shown, file=sys.stderr)


def section(text: str) -> None:
    """Print the headline of what follows."""
    say(text, HEADING)


def success(text: str, *, indent: int = 0) -> None:
    """Print that something is done."""
    say(text, GREEN, mark="✓", indent=indent)


def error(problem: KapsuleError) -> None:
    """Print an error and what to do about it."""
    say(problem.message, RED, mark="Error:")
    if problem.hint:
        hint(problem.hint)


def hint(text: str, *, indent: int = 0) -> None:
    """Print what one could do."""
    say(text, YELLOW, mark="Hint:", indent=indent)


def result(text: str) -> None:
    """Print a line of the result on stdout, whatever its encoding can show of it."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    print(clean(text).encode(encoding, "replace").decode(encoding))


def json_result(value: object) -> None:
    """Print a result for programs."""
    import json

    print(json.dumps(value, indent=2))


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], styles: Mapping[str, str] | None = None
) -> None:
    """Print a table on stdout: fitted to a terminal, whole and plain for everything else.

    rows: cells in the order of the columns. styles: cell -> rich style, for cells that stand out.
    """
    cells = [[clean_line(cell) for cell in row] for row in rows]
    if sys.stdout is not None and sys.stdout.isatty():
        _fitted_table(columns, cells, styles or {})
        return
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for row in (columns, *cells):
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        result(_GAP.join(padded).rstrip())


def _fitted_table(
    columns: Sequence[str], cells: Sequence[Sequence[str]], styles: Mapping[str, str]
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for number, column in enumerate(columns):
        # The name stays whole: people copy it.
        narrowest: dict[str, Any] = {"min_width": max(len(row[0]) for row in (columns, *cells))}
        shown.add_column(column, no_wrap=True, **({} if number else narrowest))
    for row in cells:
        shown.add_row(*(Text(cell, styles.get(cell, "")) for cell in row))
    Console(no_color=not has_colour(sys.stdout), highlight=False).print(shown)
