# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from kapsule.session.guest_actions import SYMLINK, GuestFile, WriteFile
from kapsule.settings.generation import paths, plan_generation

PROGRAM = GuestFile("file", "#!/bin/sh", executable=True)
GERMAN = "/usr/share/i18n/locales/de_DE"
ABLE = {"/usr/sbin/locale-gen": PROGRAM, GERMAN: GuestFile("file")}


def _listed(text: str | None) -> tuple[str, tuple[object, ...]]:
    files = {**ABLE, "/etc/locale.gen": None if text is None else GuestFile("file", text)}
    plan = plan_generation(files, {"de_DE.UTF-8"})
    assert plan
    return plan


@pytest.mark.parametrize(
    "before", [None, "", "# a list\n# de_DE.UTF-8 UTF-8\n", "en_US.UTF-8 UTF-8"]
)
def test_the_locale_is_added_to_the_list(before: str | None) -> None:
    """On a line of its own, behind what is there."""
    program, (action,) = _listed(before)
    assert program == "/usr/sbin/locale-gen"
    assert isinstance(action, WriteFile)
    assert action.content.startswith(before or "")
    assert action.content.splitlines()[-1] == "de_DE.UTF-8 UTF-8"


def test_it_is_on_the_list() -> None:
    """An interrupted run is only run again."""
    assert _listed("de_DE.UTF-8 UTF-8 \n") == ("/usr/sbin/locale-gen", ())


@pytest.mark.parametrize(
    "missing", [{"de_DE@euro"}, {"fr_FR.UTF-8"}, {"../../x.UTF-8"}, {"de_DE.UTF-8\nx"}, {""}, set()]
)
def test_what_cannot_be_made(missing: set[str]) -> None:
    """Other codesets, what the guest has no definition of, and nonsense."""
    assert plan_generation(ABLE, missing) is None
    assert all(".." not in path and "\n" not in path for path in paths(missing))


def test_a_guest_that_cannot() -> None:
    """Without the program, or with a list that is managed elsewhere, nothing is done."""
    assert plan_generation({GERMAN: GuestFile("file")}, {"de_DE.UTF-8"}) is None
    managed = {**ABLE, "/etc/locale.gen": GuestFile(SYMLINK, "/nix/store/x")}
    assert plan_generation(managed, {"de_DE.UTF-8"}) is None
