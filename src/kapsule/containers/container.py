# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container is to its users, and what it may be called."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from kapsule import names
from kapsule.errors import InvalidArgument

RUNNING = "Running"
STOPPED = "Stopped"
FROZEN = "Frozen"
# Where a container stays until somebody changes it. All else is on the way, or what Incus says
# while it cannot tell: Incus shared/api, StatusCode.
LASTING = frozenset({RUNNING, STOPPED, FROZEN})

# Incus takes what is a host name: doc/reference/instance_properties.md, "name".
_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z")


@dataclass(frozen=True, slots=True)
class Container:
    """One container, as Incus last told it.

    status: Incus's word ("Running", "Stopped", "Frozen", "Error", ...).
    owner: the uid of the user whose container it is.
    image: what it was made from, in words. created: ISO 8601 with offset, or "".
    config: the instance's whole configuration, read-only.
    """

    name: str
    status: str
    owner: int
    image: str
    created: str
    config: Mapping[str, str] = field(default_factory=dict)

    @property
    def mode(self) -> str:
        """The D-Bus mode, in the words of the bus interface."""
        return "Session" if self.has_own_session else "Default"

    @property
    def is_ready(self) -> bool:
        """Whether its creation was finished."""
        return self.config.get(names.KEY_SETUP_STATE, names.SETUP_DONE) == names.SETUP_DONE

    @property
    def is_isolated(self) -> bool:
        """Whether it has a user namespace, and so is a border against its own root."""
        return is_isolated(self.config)

    @property
    def shares_network(self) -> bool:
        """Whether its network is the host's."""
        return not self.is_isolated and self.config.get(names.KEY_NETWORK, "host") == "host"

    @property
    def has_own_session(self) -> bool:
        """Whether its users have services and a session bus of their own in it."""
        return self.config.get(names.KEY_SESSION_MODE) == "true"

    @property
    def has_desktop(self) -> bool:
        """Whether sockets of its users' desktops are shared with it."""
        return self.config.get(names.KEY_DESKTOP, "true") == "true"

    @property
    def has_x11(self) -> bool:
        """Whether the X11 display is among them, by which programs get at each other's windows."""
        stored = self.config.get(names.KEY_X11, "false" if self.is_isolated else "true")
        return self.has_desktop and stored == "true"

    def is_set_up_for(self, uid: int) -> bool:
        """Whether the user with this uid has an account in it."""
        return self.config.get(names.key_mapped(uid)) == "true"


def is_isolated(config: Mapping[str, str]) -> bool:
    """Whether an instance with this configuration has a user namespace of its own."""
    return config.get("security.privileged") != "true"


def check_name(name: str) -> None:
    """Raise InvalidArgument unless name can be a container's name (and so a host name)."""
    if not _NAME.match(name):
        raise InvalidArgument(
            f"{name!r} cannot be the name of a container",
            hint="Use 1 to 63 letters, digits and dashes; start with a letter, do not end with a "
            "dash.",
        )
