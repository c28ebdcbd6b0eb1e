# SPDX-License-Identifier: GPL-3.0-or-later
"""What a step may say while it works."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Protocol


class MessageKind(IntEnum):
    """The kinds of message, numbered as on the bus (`Operation.Message`)."""

    INFO = 0
    SUCCESS = 1
    WARNING = 2
    ERROR = 3
    DIM = 4
    HINT = 5


class Bar(Protocol):
    """One line of progress, open until its `with` block ends."""

    def update(self, current: int, *, rate: float = 0.0) -> None:
        """Say how far it is. rate: units a second, 0 when unknown."""

    def text(self, text: str) -> None:
        """Say in words what is going on, where there is no number."""


class Progress(Protocol):
    """Where the steps of one run say what they do."""

    def message(self, text: str, kind: MessageKind = MessageKind.INFO, *, indent: int = 1) -> None:
        """Say one line. indent: levels of two spaces."""

    @contextmanager
    def bar(self, description: str, *, total: int = -1, indent: int = 1) -> Iterator[Bar]:
        """Open a progress bar. total: what 100 % is, or -1 where nobody knows."""
        yield SilentBar()


class SilentBar:
    """A bar that nobody sees."""

    def update(self, current: int, *, rate: float = 0.0) -> None:
        """Say nothing."""

    def text(self, text: str) -> None:
        """Say nothing."""
