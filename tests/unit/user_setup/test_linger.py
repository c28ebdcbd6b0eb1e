# SPDX-License-Identifier: GPL-3.0-or-later
from kapsule.session.guest_actions import DIRECTORY, FILE, GuestFile, MakeDirectory, WriteFile
from kapsule.testing.users import ALICE, user
from kapsule.user_setup.linger import linger_paths, plan_linger

SYSTEMD = "/lib/systemd/systemd"
DIRECTORY_PATH = "/var/lib/systemd/linger"
MARK = f"{DIRECTORY_PATH}/alice"


def test_the_mark_of_logind() -> None:
    """A file of the user's name is what logind looks for; its directory is made."""
    files = {SYSTEMD: GuestFile(FILE)}
    assert plan_linger(files, ALICE) == [
        MakeDirectory(DIRECTORY_PATH, parents=True),
        WriteFile(MARK, ""),
    ]
    files |= {DIRECTORY_PATH: GuestFile(DIRECTORY)}
    assert plan_linger(files, ALICE) == [WriteFile(MARK, "")]


def test_nothing_to_do() -> None:
    """Neither for who lingers already, nor without systemd, nor for a name that is a path."""
    lingers = {SYSTEMD: GuestFile(FILE), MARK: GuestFile(FILE, "")}
    assert plan_linger(lingers, ALICE) == []
    assert plan_linger({}, ALICE) == []
    assert plan_linger({SYSTEMD: GuestFile(FILE)}, user(name="../x")) == []


def test_paths() -> None:
    """Everything that the plan looks at is asked for."""
    assert {SYSTEMD, DIRECTORY_PATH, MARK} <= set(linger_paths(ALICE))
