# SPDX-License-Identifier: GPL-3.0-or-later
"""Have the guest's systemd run the user's own services from its start on: linger. Pure."""

from kapsule.host.users import HostUser
from kapsule.session.guest_actions import Action, MakeDirectory, WriteFile
from kapsule.user_setup.guest_texts import Files

# logind looks here when it starts: loginctl(1), "enable-linger".
_DIRECTORY = "/var/lib/systemd/linger"
_SYSTEMD = ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")


def linger_paths(user: HostUser) -> tuple[str, ...]:
    """Return the paths that plan_linger() has to know about."""
    return (*_SYSTEMD, _DIRECTORY, f"{_DIRECTORY}/{user.name}")


def plan_linger(files: Files, user: HostUser) -> list[Action]:
    """Return what makes the user linger; nothing in a guest without systemd."""
    has_systemd = any(files.get(path) is not None for path in _SYSTEMD)
    mark = f"{_DIRECTORY}/{user.name}"
    if not has_systemd or "/" in user.name or files.get(mark) is not None:
        return []
    directory: list[Action] = []
    if files.get(_DIRECTORY) is None:
        directory = [MakeDirectory(_DIRECTORY, parents=True)]
    return [*directory, WriteFile(mark, "")]
