# SPDX-License-Identifier: GPL-3.0-or-later
"""Which containers a caller may see, change and enter.

Containers of others do not exist for those who may not manage them: every answer is the one for a
name that nobody uses.
"""

from kapsule.containers.access import check_may_use, no_such_container
from kapsule.containers.container import Container
from kapsule.containers.stored_options import options_of
from kapsule.daemon.actions import Action
from kapsule.daemon.authorizer import Authorizer
from kapsule.daemon.callers import Caller
from kapsule.daemon.creations import Creations
from kapsule.daemon.features import Containers, wait_until_loaded
from kapsule.trust.levels import options_at, takes_authorization

_ROOT = 0


class Sight:
    """Finds containers for callers. Every method waits until it is known what there is.

    creations: those that are about to exist.
    """

    def __init__(
        self, containers: Containers, creations: Creations, authorizer: Authorizer
    ) -> None:
        self._containers = containers
        self._creations = creations
        self._authorizer = authorizer

    async def own(self, uid: int) -> list[Container]:
        """Return the containers of the user with this uid that are ready; for root all."""
        await wait_until_loaded(self._containers)
        return [each for each in self._containers.all() if uid in (_ROOT, each.owner)]

    async def check_may_see(self, caller: Caller, name: str) -> None:
        """Raise NotFound unless it is the caller's own, or they may manage those of others."""
        await wait_until_loaded(self._containers)
        await self._check_is_visible(caller, name)

    async def check_may_change(self, caller: Caller, name: str) -> int:
        """Return whose container it is.

        Raises NotFound as check_may_see() does, NotAuthorized when an administrator forbids the
        caller to manage their own.
        """
        await wait_until_loaded(self._containers)
        owner = await self._check_is_visible(caller, name)
        if owner == caller.user.uid:
            await self._authorizer.authorize(caller, Action.MANAGE_OWN, name)
        return owner

    async def check_may_change_own(self, caller: Caller, name: str) -> int:
        """Return whose container it is: the caller's, unless that is root.

        Raises what check_is_own() and check_may_change() raise.
        """
        await self.check_is_own(caller, name)
        return await self.check_may_change(caller, name)

    async def check_may_give(self, caller: Caller, name: str) -> int:
        """Return whose container it is, which the caller may give to somebody else.

        Raises NotFound as check_may_see() does, NotAuthorized when it is their own.
        """
        await wait_until_loaded(self._containers)
        owner = await self._check_is_visible(caller, name)
        if owner == caller.user.uid:
            await self._authorizer.authorize(caller, Action.MANAGE_OTHERS, name)
        return owner

    async def check_may_trust(self, caller: Caller, name: str, level: str) -> tuple[int, bool]:
        """Return whose container it is, whose level of trust the caller may change, and whether
        the change may open it. Takes as much authorization as the change needs now.

        Raises NotFound as check_may_see() does, NotAuthorized, InvalidArgument for the level.
        """
        owner = await self.check_may_change(caller, name)
        before = options_of(self._containers.get(name))
        if not takes_authorization(before, options_at(level, before)):
            return owner, False
        await self._authorizer.authorize(caller, Action.CHANGE_TRUST, name)
        return owner, True

    async def check_is_own(self, caller: Caller, name: str) -> int:
        """Return whose container it is: the caller's, unless that is root.

        For one's own it is a look into memory. Nobody is asked to authenticate.
        Raises NotFound; NotAuthorized for administrators, who may know that it is there.
        """
        await wait_until_loaded(self._containers)
        owner = self._creations.owner(name)
        if owner is not None and caller.user.uid in (_ROOT, owner):
            return owner
        container = self._containers.find(name)
        if container and await self._authorizer.is_admin(caller.user):
            check_may_use(caller.user, container)
        raise no_such_container(name)

    async def _check_is_visible(self, caller: Caller, name: str) -> int:
        owner = self._creations.owner(name)
        if owner is None:
            raise no_such_container(name)
        if caller.user.uid in (_ROOT, owner):
            return owner
        if await self._authorizer.allows(caller, Action.MANAGE_OTHERS, name):
            return owner
        raise no_such_container(name)
