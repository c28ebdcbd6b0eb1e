# SPDX-License-Identifier: GPL-3.0-or-later
"""How the Manager changes containers: each change is an operation, with the container's lock."""

from collections.abc import Awaitable, Callable

from kapsule.containers.access import no_such_container
from kapsule.daemon.callers import Caller
from kapsule.daemon.reading import Reading, Services
from kapsule.errors import IncusUnavailable, KapsuleError, NotFound
from kapsule.pipeline.progress import Progress

Work = Callable[[Progress], Awaitable[None]]


class Changing(Reading):
    """What the methods of the Manager that change a container have in common."""

    def __init__(self, services: Services) -> None:
        super().__init__(services)
        self._creations = services.creations

    async def _change(
        self, kind: str, what: str, name: str, work: Work, *, only_own: bool = False
    ) -> str:
        """Start an operation on a container that the caller may change, and return its path.

        what: it is, in words. only_own: nobody but the owner and root may do this.
        """
        caller = await self._callers.identify()
        sight = self._sight
        check = sight.check_may_change_own if only_own else sight.check_may_change
        return await self._start_change(kind, f"{what} {name}", name, work, caller, check)

    async def _start_change(
        self,
        kind: str,
        description: str,
        name: str,
        work: Work,
        caller: Caller,
        check: Callable[[Caller, str], Awaitable[int]],
    ) -> str:
        """Start an operation on a container. check: returns whose it is, or raises.

        That there is no such container is how the operation ends: clients expect it there.
        """
        try:
            owner = await check(caller, name)
        except (NotFound, IncusUnavailable) as error:
            body = _fail(error)
        else:
            body = self._locked(name, owner, work)
        return self._operations.start(kind, name, description, caller, body)

    def _locked(self, name: str, owner: int, work: Work) -> Work:
        """Return the same work with the container's lock around it.

        owner: whose container it has to be: what the caller was authorized for. It may have become
        somebody else's while others held the lock.
        """

        async def locked(progress: Progress) -> None:
            async with self._containers.lock(name):
                if self._creations.owner(name) != owner:
                    raise no_such_container(name)
                self._containers.get(name)  # raises; one that is half-made
                await work(progress)

        return locked


def _fail(error: KapsuleError) -> Work:
    async def fail(_: Progress) -> None:
        raise error

    return fail
