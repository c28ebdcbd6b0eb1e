# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from kapsule.errors import GuestError
from kapsule.session.guest_actions import GuestFile
from kapsule.user_setup.guest_texts import ACCOUNT_FILES, read_accounts, text_of
from kapsule.user_setup.subordinate_ids import SUBORDINATE_FILES

_LINE = "x:y:1:1:::\n"


@pytest.mark.parametrize("path", ACCOUNT_FILES)
def test_a_guest_cannot_fill_an_account_file_with_lines(path: str) -> None:
    """A mebibyte of empty lines would take the daemon's memory, and its event loop for seconds."""
    with pytest.raises(GuestError, match=f"{path} in the container has more than 20000 lines"):
        read_accounts({path: GuestFile("file", "\n" * 1024 * 1024)})


@pytest.mark.parametrize("path", [*ACCOUNT_FILES, *SUBORDINATE_FILES])
def test_many_accounts_are_read(path: str) -> None:
    """More than anybody has."""
    assert text_of({path: GuestFile("file", _LINE * 20_000)}, path) == _LINE * 20_000
    with pytest.raises(GuestError):
        text_of({path: GuestFile("file", _LINE * 20_001)}, path)
