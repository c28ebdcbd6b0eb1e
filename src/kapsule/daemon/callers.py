# SPDX-License-Identifier: GPL-3.0-or-later
"""Who calls."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from dbus_fast import Message, MessageFlag, MessageType

from kapsule.daemon.bus import Bus, current_call
from kapsule.errors import Busy, NotAuthorized
from kapsule.host.users import HostUser, look_up

_BUS = "org.freedesktop.DBus"
_BUS_PATH = "/org/freedesktop/DBus"
_ROOT = 0
_PATIENCE = 10.0  # seconds for the bus itself
_LIMIT = 128  # calls of one user that are worked on; as many as the bus lets one connection make


@dataclass(frozen=True, slots=True)
class Caller:
    """Who made a call. sender: the connection's unique name."""

    sender: str
    user: HostUser


class Callers:
    """Knows of each connection on the bus that calls whose it is."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._uids: dict[str, asyncio.Task[int]] = {}
        self._when_gone: defaultdict[str, set[Callable[[], object]]] = defaultdict(set)
        self._calls: Counter[int] = Counter()
        self._counted: set[asyncio.Task[object]] = set()
        bus.add_message_handler(self._watch)

    async def identify(self) -> Caller:
        """Return who makes the current call.

        Raises what uid() raises, and NotFound when the user has no account.
        """
        return Caller(current_call().sender, await look_up(await self.uid()))

    async def uid(self) -> int:
        """Return whose current call it is, also of a user without an account.

        Raises NotAuthorized when the bus cannot tell, Busy when very many calls of the user's are
        worked on: they would be in the way of others'.
        """
        uid = await self.uid_of(current_call().sender)
        self._count(uid)
        return uid

    def _count(self, uid: int) -> None:
        """Count a call once, until it is answered: each has a task of its own (bus.py)."""
        task = asyncio.current_task()
        if task is None or task in self._counted:
            return
        if uid != _ROOT and self._calls[uid] >= _LIMIT:
            raise Busy(f"{_LIMIT} of your calls have no answer yet", hint="Wait for some of them")
        self._calls[uid] += 1
        self._counted.add(task)
        task.add_done_callback(partial(self._discount, uid))

    def _discount(self, uid: int, task: "asyncio.Task[object]") -> None:
        self._counted.discard(task)
        self._calls[uid] -= 1
        self._calls += Counter()  # so that nobody is remembered who has no call open

    @contextmanager
    def when_gone(self, sender: str, act: Callable[[], object]) -> Iterator[None]:
        """Call act if this caller leaves the bus within the block."""
        self._when_gone[sender].add(act)
        try:
            yield
        finally:
            self._when_gone[sender].discard(act)
            if not self._when_gone[sender]:
                del self._when_gone[sender]

    async def uid_of(self, sender: str) -> int:
        """Return whose connection it is.

        Raises NotAuthorized when the bus cannot tell, Busy when it does not answer.
        """
        if sender not in self._uids:
            self._uids[sender] = asyncio.create_task(self._ask(sender))
        # Shielded: others may wait for the same answer.
        return await asyncio.shield(self._uids[sender])

    async def _ask(self, sender: str) -> int:
        """Ask the bus whose connection it is, and to be told when it ends.

        Only what the bus tells of the end of may be remembered: unique names are not used again,
        but what is remembered of them must not grow for ever.
        """
        try:
            watched, owner = await asyncio.gather(
                self._call_bus("AddMatch", _rule(sender)),
                # GetConnectionCredentials tells more, but newer buses add a descriptor for the
                # process. They have no room for many, and then drop the reply without a word.
                self._call_bus("GetConnectionUnixUser", sender),
            )
        except Busy:
            self._forget(sender)
            raise
        if not _is_good(watched) or not _is_good(owner):
            self._forget(sender)
        if not _is_good(owner) or owner.signature != "u":
            raise NotAuthorized("The bus does not tell who you are")
        uid: int = owner.body[0]
        return uid

    async def _call_bus(self, member: str, argument: str) -> Message:
        """Return the bus's answer. Raises Busy when there is none."""
        try:
            async with asyncio.timeout(_PATIENCE):
                reply = await self._bus.call(_bus_message(member, argument, MessageFlag.NONE))
        except TimeoutError as error:
            raise Busy("The bus does not answer", hint="Try again later") from error
        assert reply is not None
        return reply

    def _watch(self, message: Message) -> None:
        """Forget a connection that has left the bus."""
        # The bus itself sets the sender, so nobody else can say this.
        if message.member != "NameOwnerChanged" or message.sender != _BUS:
            return
        name, _, new_owner = message.body
        if name in self._uids and not new_owner:
            self._forget(name)
            for act in tuple(self._when_gone.get(name, ())):
                act()

    def _forget(self, sender: str) -> None:
        self._uids.pop(sender, None)
        self._bus.send(_bus_message("RemoveMatch", _rule(sender), MessageFlag.NO_REPLY_EXPECTED))


def _rule(sender: str) -> str:
    return f"type='signal',sender='{_BUS}',member='NameOwnerChanged',arg0='{sender}'"


def _bus_message(member: str, argument: str, flags: MessageFlag) -> Message:
    return Message(_BUS, _BUS_PATH, _BUS, member, flags=flags, signature="s", body=[argument])


def _is_good(reply: Message) -> bool:
    # Only the bus itself may say who is who.
    return reply.message_type is MessageType.METHOD_RETURN and reply.sender == _BUS
