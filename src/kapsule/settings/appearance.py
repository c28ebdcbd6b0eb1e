# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's fonts, icon themes and themes in a guest that sees the host's files. Pure.

Each theme is a link of its own. One link for all would put the host's icons before the guest's,
and have what is installed in the guest written to the host.
"""

from collections.abc import Iterable, Iterator, Mapping

from kapsule import names
from kapsule.host.appearance import FONTS, ICONS, THEMES, HostAppearance
from kapsule.session.guest_actions import (
    DIRECTORY,
    SYMLINK,
    Action,
    GuestFile,
    MakeDirectory,
    Remove,
    Symlink,
)

_FONT_DIRECTORY = "/usr/local/share/fonts"  # fontconfig's fonts.conf names it everywhere
_HOST_FONTS = _FONT_DIRECTORY + "/host"
_LOCAL = {ICONS: "/usr/local/share/icons", THEMES: "/usr/local/share/themes"}


def paths(appearance: HostAppearance) -> tuple[str, ...]:
    """Return what plan_appearance has to know of the guest."""
    links = (
        f"{_LOCAL[own]}/{name}" for own, theirs in _kinds(appearance).items() for name in theirs
    )
    return (_FONT_DIRECTORY, _HOST_FONTS, ICONS, THEMES, *_LOCAL.values(), *links)


def plan_appearance(
    files: Mapping[str, GuestFile | None], appearance: HostAppearance
) -> tuple[Action, ...]:
    """Return what shows the guest the host's fonts and those themes that it does not have itself.

    files: what is at paths(). A theme that the guest got later takes the place of the host's.
    """
    fonts = [Symlink(_HOST_FONTS, names.HOST_ROOTFS_PATH + FONTS)] if appearance.has_fonts else []
    actions = [*_in_directory(files, _FONT_DIRECTORY, fonts)]
    for own, theirs in _kinds(appearance).items():
        actions += _in_directory(files, _LOCAL[own], _link_themes(files, own, theirs))
    return tuple(actions)


def _kinds(appearance: HostAppearance) -> dict[str, tuple[str, ...]]:
    return {ICONS: appearance.icons, THEMES: appearance.themes}


def _link_themes(
    files: Mapping[str, GuestFile | None], own: str, theirs: Iterable[str]
) -> Iterator[Symlink | Remove]:
    directory = files.get(own)
    entries = directory.entries if directory else ()
    if entries is None:  # more than can be looked through
        return
    for name in theirs:
        link = Symlink(f"{_LOCAL[own]}/{name}", f"{names.HOST_ROOTFS_PATH}{own}/{name}")
        if name not in entries:
            yield link
        elif _is(files.get(link.path), link):
            yield Remove(link.path)


def _in_directory(
    files: Mapping[str, GuestFile | None], path: str, links: Iterable[Symlink | Remove]
) -> list[Action]:
    """Return what of the links is to be done in a directory, which is made if it is missing."""
    todo = [link for link in links if isinstance(link, Remove) or files.get(link.path) is None]
    directory = files.get(path)
    if not todo or (directory and directory.kind != DIRECTORY):
        return []
    return [*([] if directory else [MakeDirectory(path, parents=True)]), *todo]


def _is(file: GuestFile | None, link: Symlink) -> bool:
    return file is not None and file.kind == SYMLINK and file.content == link.target
