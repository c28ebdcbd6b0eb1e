# SPDX-License-Identifier: GPL-3.0-or-later
"""Progress that remembers what was said."""

from collections.abc import Iterator
from contextlib import contextmanager

from kapsule.pipeline.progress import Bar, MessageKind, SilentBar


class RecordingProgress:
    """What a run said. messages: in order, with their kinds. bars: descriptions of those opened."""

    def __init__(self) -> None:
        self.messages: list[tuple[MessageKind, str]] = []
        self.bars: list[str] = []

    def message(self, text: str, kind: MessageKind = MessageKind.INFO, *, indent: int = 1) -> None:
        """Remember a line."""
        self.messages.append((kind, text))

    @contextmanager
    def bar(self, description: str, *, total: int = -1, indent: int = 1) -> Iterator[Bar]:
        """Remember that a bar was opened."""
        self.bars.append(description)
        yield SilentBar()

    @property
    def warnings(self) -> list[str]:
        """The warnings among the messages."""
        return [text for kind, text in self.messages if kind is MessageKind.WARNING]
