# SPDX-License-Identifier: GPL-3.0-or-later
"""Which containers are being created, and whether their users may have one more."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from kapsule.daemon.features import Containers
from kapsule.errors import AlreadyExists, CallerError
from kapsule.host.users import HostUser


class Creations:
    """The creations that run. limit: how many containers a user may have, 0 for any number."""

    def __init__(self, containers: Containers, limit: int) -> None:
        self._containers = containers
        self._limit = limit
        self._claims: Counter[tuple[str, int]] = Counter()

    def owner(self, name: str) -> int | None:
        """Return the uid of whose container this is or is about to become, None for nobody's."""
        if container := self._containers.find(name):
            return container.owner
        return next((uid for claimed, uid in self._claims if claimed == name), None)

    @contextmanager
    def claim(self, name: str, user: HostUser, *, is_exempt: bool) -> Iterator[None]:
        """Let the user create a container within the block.

        It counts from now on, so that several at the same time do not pass the limit together.
        is_exempt: there is no limit for this user. Raises CallerError at the limit, and
        AlreadyExists for a name of somebody else's: nobody waits for, or holds, its lock.
        """
        if self.owner(name) not in (None, user.uid):
            raise AlreadyExists(
                f"Container '{name}' already exists and belongs to another user",
                hint="Choose another name",
            )
        if self._limit and not is_exempt and len(self._of(user.uid) | {name}) > self._limit:
            raise CallerError(
                f"User '{user.name}' may have {self._limit} containers, and has them",
                hint="Remove one with `kapsule rm`. The limit is max_containers in "
                "/etc/kapsule/kapsule.conf.",
            )
        claim = (name, user.uid)
        self._claims[claim] += 1
        try:
            yield
        finally:
            self._claims[claim] -= 1
            self._claims += Counter()  # forget those that are done

    def _of(self, uid: int) -> set[str]:
        there = {each.name for each in self._containers.all() if each.owner == uid}
        return there | {name for name, claimer in self._claims if claimer == uid}
