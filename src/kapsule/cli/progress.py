# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operation says, as lines; its progress bars only on a terminal."""

import sys
from typing import TYPE_CHECKING

from kapsule.cli import output
from kapsule.client import operation
from kapsule.client.operation import (
    Event,
    Message,
    ProgressCompleted,
    ProgressStarted,
    ProgressText,
    ProgressUpdate,
)

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

# Kind of message -> style, and what stands before the text.
_LOOKS = {
    operation.INFO: ("", ""),
    operation.SUCCESS: (output.GREEN, "✓"),
    operation.WARNING: (output.YELLOW, "Warning:"),
    operation.ERROR: (output.RED, "Error:"),
    operation.DIM: (output.DIM, ""),
    operation.HINT: (output.YELLOW, "Hint:"),
}


class Display:
    """Shows events on stderr, as a `with` block: bars never outlive it."""

    def __init__(self) -> None:
        self._bars = _Bars() if sys.stderr is not None and sys.stderr.isatty() else None

    def __enter__(self) -> "Display":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars:
            self._bars.close()

    def show(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, Message):
            style, mark = _LOOKS.get(event.kind, ("", ""))
            output.say(event.text, style, mark=mark, indent=event.indent)
        elif self._bars:
            self._bars.show(event)
        elif isinstance(event, ProgressStarted):
            output.say(f"{event.description}...", indent=event.indent)
        if isinstance(event, ProgressCompleted) and event.message:
            style, mark = _LOOKS[operation.SUCCESS if event.success else operation.ERROR]
            output.say(event.message, style, mark=mark, indent=1)


class _Bars:
    """The progress bars that are open, drawn by rich from the first one on."""

    def __init__(self) -> None:
        self._live: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def show(self, event: Event) -> None:
        if isinstance(event, ProgressStarted):
            self._start(event)
        elif isinstance(event, ProgressUpdate):
            self._move(event.id, event.current)
        elif isinstance(event, ProgressText):
            self._note(event.id, event.text)
        elif isinstance(event, ProgressCompleted) and self._live and event.id in self._tasks:
            self._live.remove_task(self._tasks.pop(event.id))
            if not self._tasks:
                self.close()

    def close(self) -> None:
        """Take all bars off the screen."""
        self._tasks.clear()
        if self._live:
            self._live.stop()
            self._live = None

    def _start(self, event: ProgressStarted) -> None:
        self._live = self._live or _open_live()
        total = event.total if event.total > 0 else None
        description = output.clean_line(event.description)
        self._tasks[event.id] = self._live.add_task(description, total=total, note="")

    def _move(self, bar: str, current: int) -> None:
        if self._live and bar in self._tasks:
            self._live.update(self._tasks[bar], completed=current)

    def _note(self, bar: str, text: str) -> None:
        if self._live and bar in self._tasks:
            self._live.update(self._tasks[bar], note=output.clean_line(text), refresh=True)


def _open_live() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

    live = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TextColumn("{task.fields[note]}", markup=False),
        console=Console(stderr=True, no_color=not output.has_colour(sys.stderr), highlight=False),
        transient=True,
    )
    live.start()
    return live
