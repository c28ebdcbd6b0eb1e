# SPDX-License-Identifier: GPL-3.0-or-later
"""The fonts, icon themes and themes that the host has for all of its users."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

FONTS = "/usr/share/fonts"
ICONS = "/usr/share/icons"
THEMES = "/usr/share/themes"

_MOST = 500  # themes; more is no desktop


@dataclass(frozen=True, slots=True)
class HostAppearance:
    """What there is to share. icons, themes: the names of themes, sorted."""

    has_fonts: bool
    icons: tuple[str, ...]
    themes: tuple[str, ...]


async def gather_appearance(root: Path = Path("/")) -> HostAppearance:
    """Return what the host has; directories are listed in a thread. root: where they are."""
    return await asyncio.to_thread(
        lambda: HostAppearance(
            has_fonts=(root / FONTS.lstrip("/")).is_dir(),
            icons=_directories(root / ICONS.lstrip("/")),
            themes=_directories(root / THEMES.lstrip("/")),
        )
    )


def _directories(path: Path) -> tuple[str, ...]:
    try:
        with os.scandir(path) as found:
            names = [entry.name for entry in found if entry.is_dir() and entry.name.isprintable()]
    except OSError:
        return ()
    return tuple(sorted(names)[:_MOST])
