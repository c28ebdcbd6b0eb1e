# SPDX-License-Identifier: GPL-3.0-or-later
"""Let the user become root in the guest without a password. Pure.

The rules name the uid, because a name like "john.doe" or "DOM\\user" would have to be quoted.
"""

import re

from kapsule.host.users import HostUser
from kapsule.session.guest_actions import DIRECTORY, FILE, Action, MakeDirectory, WriteFile
from kapsule.user_setup.guest_texts import Files, rewrite

_SUDOERS = "/etc/sudoers"
_SUDOERS_DIRECTORY = "/etc/sudoers.d"
_DOAS = "/etc/doas.conf"
_DOAS_DIRECTORY = "/etc/doas.d"

_RULE_MODE = 0o440
# sudo passes over files with a dot or a tilde in their name: sudoers(5), "@includedir".
_FILE_NAME = re.compile(r"[A-Za-z0-9_-]+\Z")
_INCLUDE = re.compile(r'^[ \t]*[@#]includedir[ \t]+"?/etc/sudoers\.d/?"?[ \t]*$', re.MULTILINE)
# With "#" it is read by versions before 1.9.1 as well as by all later ones.
_INCLUDE_LINE = f"#includedir {_SUDOERS_DIRECTORY}\n"


def sudo_paths(user: HostUser) -> tuple[str, ...]:
    """Return the paths that plan_sudo() has to know about."""
    fixed = (_SUDOERS, _SUDOERS_DIRECTORY, _DOAS, _DOAS_DIRECTORY)
    return (*fixed, _sudo_rule(user), _doas_rule(user))


def plan_sudo(files: Files, user: HostUser) -> list[Action]:
    """Return what makes sudo, and doas where it is, let the user in.

    The rule is written also where sudo is missing, so that it works once it is installed.
    """
    actions: list[Action] = []
    if files.get(_SUDOERS_DIRECTORY) is None:
        actions.append(MakeDirectory(_SUDOERS_DIRECTORY, 0o750))
    actions += _plan_rule(files, _sudo_rule(user), f"#{user.uid} ALL=(ALL:ALL) NOPASSWD: ALL\n")
    actions += _plan_include(files)
    return actions + _plan_doas(files, user)


def _sudo_rule(user: HostUser) -> str:
    name = user.name if _FILE_NAME.match(user.name) else f"kapsule-{user.uid}"
    return f"{_SUDOERS_DIRECTORY}/{name}"


def _doas_rule(user: HostUser) -> str:
    return f"{_DOAS_DIRECTORY}/kapsule-{user.uid}.conf"


def _plan_rule(files: Files, path: str, rule: str) -> list[Action]:
    """Write a file of rules. sudo trusts only one that root owns: sudoers(5), "sudoers_mode"."""
    file = files.get(path)
    if file and file[:5] == (FILE, rule, _RULE_MODE, 0, 0):
        return []
    before = "" if file is None else file.content if file.kind == FILE else None
    return [WriteFile(path, rule, _RULE_MODE, replaces=before)]


def _plan_include(files: Files) -> list[Action]:
    """Have /etc/sudoers read the directory. One that is a link is made by a program: NixOS."""
    file = files.get(_SUDOERS)
    if file is None or file.kind != FILE or file.content is None or _INCLUDE.search(file.content):
        return []
    return rewrite(files, _SUDOERS, _ended(file.content) + _INCLUDE_LINE)


def _plan_doas(files: Files, user: HostUser) -> list[Action]:
    """Alpine's doas reads a directory besides the file; the last rule that fits counts."""
    rule = f"permit nopass {user.uid}"
    actions: list[Action] = []
    file, directory = files.get(_DOAS), files.get(_DOAS_DIRECTORY)
    text = file.content if file and file.kind == FILE else None
    if text is not None and rule not in text.split("\n"):
        actions += rewrite(files, _DOAS, f"{_ended(text)}{rule}\n")
    if directory and directory.kind == DIRECTORY:
        actions += _plan_rule(files, _doas_rule(user), f"{rule}\n")
    return actions


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"
