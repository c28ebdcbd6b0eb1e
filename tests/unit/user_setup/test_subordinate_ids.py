# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from kapsule.errors import GuestError
from kapsule.session.guest_actions import GuestFile, WriteFile
from kapsule.user_setup.subordinate_ids import plan_subordinate_ids

from .guests import host_user


def text_after(before: str) -> str:
    """Return what becomes of /etc/subuid where ubuntu's account becomes alice's."""
    files = {"/etc/subuid": GuestFile("file", before, 0o640, 0, 42), "/etc/subgid": None}
    planned = plan_subordinate_ids(files, host_user(), {"ubuntu"})
    if not planned:
        return before
    (action,) = planned
    assert isinstance(action, WriteFile)
    assert action[2:] == (0o640, 0, 42, before)
    return action.content


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "alice:100000:65536\n"),
        ("bob:100000:65536\n", "bob:100000:65536\nalice:165536:65536\n"),
        ("bob:100000:65536", "bob:100000:65536\nalice:165536:65536\n"),
        ("bob:1:1\nnonsense\n::\n", "bob:1:1\nnonsense\n::\nalice:100000:65536\n"),
        ("ubuntu:100000:65536\n", "alice:100000:65536\n"),
        ("alice:5:5\n", "alice:5:5\n"),
        ("1000:5:5\n", "1000:5:5\n"),
        ("bob:0:4294967295\n", "bob:0:4294967295\n"),
    ],
)
def test_the_user_gets_the_next_free_range(before: str, after: str) -> None:
    """After those of others; a range that the user, or the account that was, has is enough."""
    assert text_after(before) == after
    assert text_after(after) == after


def test_files_that_are_missing_are_not_made() -> None:
    """A guest without them has no use for ranges."""
    assert plan_subordinate_ids({"/etc/subuid": None}, host_user(), set()) == []


def test_a_file_that_cannot_be_read_is_an_error() -> None:
    """To plan without what is in it would lose it."""
    with pytest.raises(GuestError):
        plan_subordinate_ids({"/etc/subuid": GuestFile("symlink", "x")}, host_user(), set())
