# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides who may do what: root and the admin group everything, others what polkit says.

Nothing is remembered here. polkit keeps an authentication for as long as its policy says.
"""

import asyncio
from collections import Counter
from collections.abc import Callable

from kapsule.daemon.actions import Action
from kapsule.daemon.bus import current_call
from kapsule.daemon.callers import Caller, Callers
from kapsule.daemon.polkit import Polkit, Verdict
from kapsule.errors import Busy, NotAuthorized
from kapsule.host.name_services import ask
from kapsule.host.users import HostUser

_ROOT = 0
_LIMIT = 8  # of one user, who would have to answer them all


class Authorizer:
    """Asks whether the maker of the current call may do something.

    admin_gid: returns the group whose members may do everything, or None. It runs in a worker
    thread and raises a KapsuleError when nobody can tell.
    """

    def __init__(
        self, callers: Callers, polkit: Polkit, admin_gid: Callable[[], int | None]
    ) -> None:
        self._callers = callers
        self._polkit = polkit
        self._admin_gid = admin_gid
        self._pending: Counter[int] = Counter()
        self._checks: set[asyncio.Task[Verdict]] = set()
        self._is_closing = False

    async def is_admin(self, user: HostUser) -> bool:
        """Return whether the user is root or a member of the admin group.

        Raises what admin_gid raises.
        """
        if user.uid == _ROOT:
            return True
        return await ask((self, "admin group"), self._admin_gid) in user.groups

    async def authorize(self, caller: Caller, action: Action, container: str = "") -> None:
        """Raise unless the caller may do it. container: whose name it is about, "" for none.

        While polkit has the user authenticate, this waits; it ends when the caller leaves the bus.
        Raises NotAuthorized, and Busy when too many wait, polkit hangs or the daemon ends.
        """
        if await self.is_admin(caller.user):
            return
        verdict = await self._ask_polkit(caller, action, container)
        if not verdict.is_authorized:
            raise NotAuthorized(
                f"User '{caller.user.name}' may not {action.words}", hint=_hint(verdict, action)
            )

    async def allows(self, caller: Caller, action: Action, container: str = "") -> bool:
        """Say whether the caller may do it, as authorize() does; without polkit: no."""
        try:
            await self.authorize(caller, action, container)
        except NotAuthorized:
            return False
        return True

    async def close(self) -> None:
        """Take every question back. Nothing is authorized any more."""
        self._is_closing = True
        for check in self._checks:
            check.cancel()
        if self._checks:
            await asyncio.wait(self._checks)

    async def _ask_polkit(self, caller: Caller, action: Action, container: str) -> Verdict:
        uid = caller.user.uid
        if self._pending[uid] >= _LIMIT:
            raise Busy(
                f"User '{caller.user.name}' is asked to authenticate {_LIMIT} times already",
                hint="Answer those questions first",
            )
        self._pending[uid] += 1
        try:
            return await self._check(caller, action, container)
        finally:
            self._pending[uid] -= 1
            self._pending += Counter()  # so that nobody is remembered who has no question open

    async def _check(self, caller: Caller, action: Action, container: str) -> Verdict:
        details = {"container": container} if container else {}
        interactive = current_call().is_interactive
        check = asyncio.create_task(
            self._polkit.check(caller.sender, action, details, interactive=interactive)
        )
        self._checks.add(check)
        check.add_done_callback(self._checks.discard)
        try:
            with self._callers.when_gone(caller.sender, check.cancel):
                return await check
        except asyncio.CancelledError:
            check.cancel()
            if self._is_closing:
                raise Busy("The daemon is about to end", hint="Try again in a moment") from None
            raise


def _hint(verdict: Verdict, action: Action) -> str:
    """Return what the user, or an administrator, can do about a refusal."""
    if verdict.was_dismissed:
        return "The authentication was dismissed."
    if verdict.needs_authentication:
        return _way_out(action) + (
            "It needs an administrator's authentication, and there is no polkit agent that could "
            f"ask for it. A polkit rule for {action} can allow it, and so can membership in the "
            "admin group (admin_group in /etc/kapsule/kapsule.conf)."
        )
    return _way_out(action) + (
        f"An administrator can allow it by a polkit rule for {action}, or by membership in the "
        "admin group (admin_group in /etc/kapsule/kapsule.conf)."
    )


def _way_out(action: Action) -> str:
    """Return what is possible without an administrator."""
    if action is Action.CREATE_PRIVILEGED:
        return "--trust project and --trust sealed make one that is isolated, which takes less. "
    return ""
