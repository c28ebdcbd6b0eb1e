# SPDX-License-Identifier: GPL-3.0-or-later
from kapsule.host.appearance import HostAppearance
from kapsule.session.guest_actions import (
    DIRECTORY,
    SYMLINK,
    Action,
    GuestFile,
    MakeDirectory,
    Remove,
    Symlink,
)
from kapsule.settings.appearance import paths, plan_appearance

FONTS = HostAppearance(has_fonts=True, icons=(), themes=())
BREEZE = HostAppearance(has_fonts=False, icons=("breeze", "hicolor"), themes=())
LINK = Symlink("/usr/local/share/icons/breeze", "/.kapsule/host/usr/share/icons/breeze")


def _directory(*entries: str) -> GuestFile:
    return GuestFile(DIRECTORY, entries=entries)


def test_fonts() -> None:
    """They are one directory among the guest's, where fontconfig looks."""
    make = MakeDirectory("/usr/local/share/fonts", parents=True)
    link = Symlink("/usr/local/share/fonts/host", "/.kapsule/host/usr/share/fonts")
    assert plan_appearance({}, FONTS) == (make, link)
    assert plan_appearance({"/usr/local/share/fonts": _directory("mine")}, FONTS) == (link,)


def test_the_guests_themes_come_first() -> None:
    """Only a theme that the guest does not have is linked."""
    files = {
        "/usr/share/icons": _directory("hicolor"),
        "/usr/local/share/icons": _directory(),
    }
    assert plan_appearance(files, BREEZE) == (LINK,)


def test_nothing_is_replaced() -> None:
    """What is at the place of a link stays: a link that is right, or the guest's own."""
    for own in (GuestFile(SYMLINK, LINK.target), _directory("index.theme"), GuestFile("file")):
        files = {
            "/usr/share/icons": _directory("hicolor"),
            "/usr/local/share/icons": _directory("breeze"),
            LINK.path: own,
        }
        assert plan_appearance(files, BREEZE) == ()


def test_a_theme_that_the_guest_got_later() -> None:
    """Our link makes way for it; somebody else's stays."""
    files: dict[str, GuestFile | None] = {
        "/usr/share/icons": _directory("breeze", "hicolor"),
        "/usr/local/share/icons": _directory("breeze"),
        LINK.path: GuestFile(SYMLINK, LINK.target),
    }
    removed: tuple[Action, ...] = (Remove(LINK.path),)
    assert plan_appearance(files, BREEZE) == removed
    files[LINK.path] = GuestFile(SYMLINK, "/opt/breeze")
    assert plan_appearance(files, BREEZE) == ()


def test_a_place_that_is_no_directory() -> None:
    """A link that somebody made in place of the directory is not followed and not replaced."""
    link = GuestFile(SYMLINK, "/elsewhere")
    files = {"/usr/local/share/icons": link, "/usr/local/share/fonts": link}
    assert plan_appearance(files, BREEZE) == ()
    assert plan_appearance(files, FONTS) == ()


def test_a_host_without_a_desktop() -> None:
    """Nothing is made."""
    nothing = HostAppearance(has_fonts=False, icons=(), themes=())
    assert plan_appearance({}, nothing) == ()
    assert LINK.path in paths(BREEZE)
