# SPDX-License-Identifier: GPL-3.0-or-later
"""What one can be authorized for. Pure.

The values are ids of polkit; data/polkit/org.kde.kapsule.policy says who may do each by default.
"""

from collections.abc import Mapping
from enum import StrEnum

from kapsule.options.table import CREATE_OPTIONS

_PRIVILEGED = "privileged"
# The levels of trust whose containers have a user namespace.
_ISOLATED = tuple(
    preset.name
    for preset in CREATE_OPTIONS.presets
    if dict(preset.values).get(_PRIVILEGED) is False
)


class Action(StrEnum):
    """A polkit action. words: what it is, behind "may not"."""

    words: str

    def __new__(cls, name: str, words: str) -> "Action":
        """Make a member of the last part of its id and its words."""
        member = str.__new__(cls, f"org.kde.kapsule.{name}")
        member._value_ = str(member)
        member.words = words
        return member

    CREATE_PRIVILEGED = (
        "create-privileged",
        "create a container that can do anything on this machine",
    )
    CREATE_ISOLATED = "create-isolated", "create a container"
    MANAGE_OWN = "manage-own", "change a container"
    MANAGE_OTHERS = "manage-others", "manage containers of other users"
    MANAGE_IMAGES = "manage-images", "refresh or delete images"
    IMPORT_IMAGE = "import-image", "import an image"
    CHANGE_TRUST = "change-trust", "change how far a container is trusted"


def creation_action(options: Mapping[str, object]) -> Action:
    """Return what a caller needs who creates a container with these options.

    options: what the caller set, and only that. What an image sets does not count: whether a
    caller is asked to authenticate must not be an image's decision. A container is isolated only
    where the caller's own word makes it so.
    """
    privileged = options.get(_PRIVILEGED)
    if privileged is None:
        privileged = options.get(CREATE_OPTIONS.preset_key) not in _ISOLATED
    return Action.CREATE_ISOLATED if privileged is False else Action.CREATE_PRIVILEGED
