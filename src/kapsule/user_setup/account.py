# SPDX-License-Identifier: GPL-3.0-or-later
"""Give the guest an account with the host user's name, uid, primary gid, home and shell. Pure.

It is done by editing the account files, because a guest may have useradd, busybox's adduser or
neither. An account of the image that has the user's uid, or the user's name, becomes the user's;
otherwise one uid would have two names, and the wrong one would be found first.
"""

from collections.abc import Mapping
from dataclasses import replace

from kapsule.errors import GuestError, InvalidArgument
from kapsule.host.users import HostUser
from kapsule.session.guest_actions import GuestFile
from kapsule.user_setup.primary_group import plan_primary_group
from kapsule.user_setup.tables import (
    ADMINISTRATORS,
    GECOS,
    GID,
    MEMBERS,
    NAME,
    PASSWORD,
    UID,
    Accounts,
    Row,
    Table,
    is_field,
    is_name,
    number,
    rename_in_lists,
    substitute,
)

_MOST_ENTRIES = 64  # that become the user's
_LOCKED = "!"
_IN_SHADOW = "x"
# Password, then the days of shadow(5): all empty, so that nothing expires.
_FRESH_SHADOW = (_LOCKED, "", "", "", "", "", "", "")

FALLBACK_SHELLS = ("/bin/bash", "/bin/sh")


def check_user(user: HostUser) -> None:
    """Raise InvalidArgument unless the account files of a guest can hold the user."""
    name = user.name
    if not is_name(name):
        raise InvalidArgument(
            f"An account named {name!r} cannot be made in a container",
            hint="A name must not be empty, start with -, +, # or /, begin or end with a space, or "
            "contain a colon, a comma or a line break.",
        )
    if not is_field(user.home):
        raise InvalidArgument(f"{user.home!r} cannot be the home directory of an account")


def choose_shell(user: HostUser, files: Mapping[str, GuestFile | None]) -> str:
    """Return the user's shell where the guest has it, else bash, else sh.

    files: what is at the paths of these three.
    """
    for path in (user.shell, FALLBACK_SHELLS[0]):
        file = files.get(path)
        if file and file.executable and is_field(path):
            return path
    return FALLBACK_SHELLS[1]


def own_entries(passwd: Table, user: HostUser) -> list[Row]:
    """Return the entries that become the user's: those with the name or the uid.

    Raises GuestError where there are so many that somebody has made them on purpose.
    """
    own = [row for row in passwd if _is_own(row, user)]
    if len(own) > _MOST_ENTRIES:
        raise GuestError(
            f"/etc/passwd in the container has {len(own)} entries of {user.name} or uid {user.uid}",
            hint="Take out what is too much",
        )
    return own


def former_names(passwd: Table, user: HostUser) -> set[str]:
    """Return the names, other than the user's, of the entries that become the user's."""
    return {row[NAME] for row in own_entries(passwd, user)} - {user.name}


def former_uids(passwd: Table, user: HostUser) -> set[int]:
    """Return the uids, other than the user's and root's, of the entries that become the user's."""
    found = {number(row, UID) or 0 for row in own_entries(passwd, user)}
    return found - {0, user.uid}


def plan_account(accounts: Accounts, user: HostUser, shell: str) -> Accounts:
    """Return the account files with the user's account in them, and with a primary group.

    shell: what choose_shell() returned. Raises GuestError for what own_entries() refuses.
    """
    own = own_entries(accounts.passwd, user)
    former = former_names(accounts.passwd, user)
    kept = next((row for row in own if _is_kept(row, user)), None)
    accounts = plan_primary_group(accounts, user, own)
    return replace(
        accounts,
        passwd=_plan_passwd(accounts, user, shell, kept),
        shadow=_plan_shadow(accounts.shadow, user.name, former, is_kept=kept is not None),
        group=rename_in_lists(accounts.group, [MEMBERS], former, user.name),
        gshadow=accounts.gshadow
        and rename_in_lists(accounts.gshadow, [ADMINISTRATORS, MEMBERS], former, user.name),
    )


def _is_own(row: Row, user: HostUser) -> bool:
    is_entry = len(row) == 7 and number(row, UID) is not None and number(row, GID) is not None
    return is_entry and (row[NAME] == user.name or number(row, UID) == user.uid)


def _is_kept(row: Row, user: HostUser) -> bool:
    return row[NAME] == user.name and number(row, UID) == user.uid


def _plan_passwd(accounts: Accounts, user: HostUser, shell: str, kept: Row | None) -> Table:
    """Put the user's entry in place. kept: it, when the guest had it already."""
    password = _LOCKED if accounts.shadow is None else _IN_SHADOW
    if kept:
        password = kept[PASSWORD]
    entry = (
        user.name,
        password,
        str(user.uid),
        str(user.gid),
        kept[GECOS] if kept else "",
        user.home,
        shell,
    )
    return substitute(accounts.passwd, lambda row: _is_own(row, user), entry)


def _plan_shadow(
    shadow: Table | None, name: str, former: set[str], *, is_kept: bool
) -> Table | None:
    """Put the user's line in place: its own, or a new one without the image's password.

    PAM's account phase lets nobody in who has an entry in passwd and none in shadow: pam_unix(8).
    """
    if shadow is None:
        return None
    entry = next((row for row in shadow if row[NAME] == name), None) if is_kept else None
    names = former | {name}
    return substitute(shadow, lambda row: row[NAME] in names, entry or (name, *_FRESH_SHADOW))
