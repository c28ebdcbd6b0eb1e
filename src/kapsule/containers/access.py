# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may use a container."""

from kapsule.containers.container import Container
from kapsule.errors import NotAuthorized, NotFound
from kapsule.host.users import HostUser

_ROOT = 0


def check_may_use(caller: HostUser | int, container: Container) -> None:
    """Raise NotAuthorized unless the caller may enter, change and remove the container.

    caller: who asks, or the uid of who asks.
    """
    uid = caller if isinstance(caller, int) else caller.uid
    if uid not in (_ROOT, container.owner):
        raise NotAuthorized(
            f"Container '{container.name}' belongs to another user",
            hint="Only its owner and root may do this.",
        )


def no_such_container(name: str) -> NotFound:
    """Return the error for a name that no container has, or none that the caller may know of."""
    return NotFound(
        f"Container '{name}' does not exist", hint="See what there is with: kapsule list"
    )
