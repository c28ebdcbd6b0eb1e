# SPDX-License-Identifier: GPL-3.0-or-later
"""polkit's authority on the system bus: org.freedesktop.PolicyKit1.Authority(8)."""

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from dbus_fast import Message, MessageFlag, MessageType, Variant

from kapsule.daemon.bus import Bus
from kapsule.errors import Busy, NotAuthorized

_BUS, _BUS_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"
_NAME = "org.freedesktop.PolicyKit1"
_PATH = "/org/freedesktop/PolicyKit1/Authority"
_INTERFACE = "org.freedesktop.PolicyKit1.Authority"
_ALLOW_USER_INTERACTION = 1
_RESULT = "(bba{ss})"

_PATIENCE = 30.0  # seconds for an answer that needs no user


@dataclass(frozen=True, slots=True)
class Verdict:
    """What polkit says. needs_authentication: it would have to ask somebody, and may or can not.

    was_dismissed: somebody was asked and did not want to.
    """

    is_authorized: bool
    needs_authentication: bool = False
    was_dismissed: bool = False


class Polkit:
    """Asks polkit. patience: seconds for an answer that needs no user."""

    def __init__(self, bus: Bus, *, patience: float = _PATIENCE) -> None:
        self._bus = bus
        self._patience = patience
        self._ids = itertools.count(1)

    async def check(
        self, sender: str, action: str, details: Mapping[str, str], *, interactive: bool
    ) -> Verdict:
        """Return whether a connection's user may do something.

        sender: the connection's unique name: the bus knows whose it is, whatever becomes of the
        process. details: what an agent shows, and what rules see. interactive: polkit may have the
        user authenticate; then there is no time limit. Whoever cancels this call cancels that, too.
        Raises Busy when it does not answer, NotAuthorized when it is not there or does not judge.
        """
        cancellation = f"kapsule-{next(self._ids)}"
        subject = ["system-bus-name", {"name": Variant("s", sender)}]
        flags = _ALLOW_USER_INTERACTION if interactive else 0
        body = [subject, str(action), dict(details), flags, cancellation]
        try:
            async with asyncio.timeout(None if interactive else self._patience):
                reply = await self._call("CheckAuthorization", "(sa{sv})sa{ss}us", body)
                await self._check_origin(reply)
        except TimeoutError as error:
            self._cancel(cancellation)
            raise Busy("polkit does not answer", hint="See: systemctl status polkit") from error
        except asyncio.CancelledError:
            self._cancel(cancellation)
            raise
        return _verdict(reply)

    async def _check_origin(self, reply: Message) -> None:
        """Believe nobody but who owns polkit's name, and the bus where nobody can.

        Replies are told apart by a number that can be guessed.
        """
        if reply.sender == _BUS and reply.message_type is MessageType.ERROR:
            raise NotAuthorized(
                "polkit is not there, so only root and members of the admin group may do this",
                hint="Install polkit, or see: systemctl status polkit",
            )
        owner = await self._bus.call(_message(_BUS, _BUS_PATH, _BUS, "GetNameOwner", "s", [_NAME]))
        if owner.sender != _BUS or owner.body[:1] != [reply.sender]:
            raise NotAuthorized("polkit went away while it was asked", hint="Try again")

    def _cancel(self, cancellation: str) -> None:
        message = _message(
            _NAME, _PATH, _INTERFACE, "CancelCheckAuthorization", "s", [cancellation]
        )
        message.flags = MessageFlag.NO_REPLY_EXPECTED | MessageFlag.NO_AUTOSTART
        self._bus.send(message)

    async def _call(self, member: str, signature: str, body: list[object]) -> Message:
        return await self._bus.call(_message(_NAME, _PATH, _INTERFACE, member, signature, body))


def _verdict(reply: Message) -> Verdict:
    if reply.message_type is MessageType.ERROR:
        raise NotAuthorized(f"polkit does not judge: {_text(reply)}")
    if reply.signature != _RESULT:
        raise NotAuthorized("polkit answers what cannot be understood")
    is_authorized, is_challenge, details = reply.body[0]
    return Verdict(is_authorized, is_challenge, "polkit.dismissed" in details)


def _text(reply: Message) -> str:
    return f"{reply.body[0]}" if reply.signature.startswith("s") else f"{reply.error_name}"


def _message(
    name: str, path: str, interface: str, member: str, signature: str, body: list[object]
) -> Message:
    return Message(name, path, interface, member, signature=signature, body=body)
