# SPDX-License-Identifier: GPL-3.0-or-later
"""From what was read in the guest to what shall be written there. Pure."""

from collections.abc import Mapping

from kapsule.errors import GuestError
from kapsule.session.guest_actions import FILE, Action, GuestFile, WriteFile
from kapsule.user_setup.tables import Accounts, Table, parse, render

PASSWD, GROUP, SHADOW, GSHADOW = "/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"
ACCOUNT_FILES = (PASSWD, GROUP, SHADOW, GSHADOW)

# A guest fills a file as it likes, and each line costs memory and time on the event loop.
_MOST_LINES = 20_000

Files = Mapping[str, GuestFile | None]


def text_of(files: Files, path: str) -> str | None:
    """Return the text at path, None where nothing is.

    Raises GuestError for anything but an ordinary file with text, and for one with too many lines:
    to plan for less than all of what is there would lose the rest.
    """
    file = files.get(path)
    if file is None:
        return None
    if file.kind != FILE or file.content is None:
        raise GuestError(f"{path} in the container is not a text file")
    if file.content.count("\n") > _MOST_LINES:
        raise GuestError(f"{path} in the container has more than {_MOST_LINES} lines")
    return file.content


def rewrite(files: Files, path: str, text: str, mode: int = 0o644) -> list[Action]:
    """Return what gives the file at path this text; nothing when it has it.

    A file that exists keeps its mode and owner; a new one gets mode and belongs to root.
    """
    file = files.get(path)
    if file is None:
        return [WriteFile(path, text, mode, replaces="")]
    if file.content == text:
        return []
    return [WriteFile(path, text, file.mode, file.uid, file.gid, replaces=file.content)]


def read_accounts(files: Files) -> Accounts:
    """Return the account files; a guest without passwd or group has empty ones."""
    shadow, gshadow = text_of(files, SHADOW), text_of(files, GSHADOW)
    return Accounts(
        passwd=parse(text_of(files, PASSWD) or ""),
        group=parse(text_of(files, GROUP) or ""),
        shadow=None if shadow is None else parse(shadow),
        gshadow=None if gshadow is None else parse(gshadow),
    )


def write_accounts(files: Files, accounts: Accounts) -> list[Action]:
    """Return what makes the account files hold these."""
    tables: dict[str, Table | None] = {
        GROUP: accounts.group,
        GSHADOW: accounts.gshadow,
        SHADOW: accounts.shadow,
        PASSWD: accounts.passwd,  # last: an account is there when it is complete
    }
    return [
        action
        for path, table in tables.items()
        if table is not None
        for action in rewrite(files, path, render(table))
    ]
