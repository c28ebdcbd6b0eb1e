# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon's connection to the bus: dbus-fast's, with four rules of ours.

Nothing that anybody sends ends or holds up the connection (reader.py, writer.py). Signals from an
object that was made for somebody go to that caller alone. File descriptors never leak: those in a
message that we send are closed once it is sent, those that arrive where none are wanted at once
(closing.py: closing them may take its sender's time, but not ours).
And whoever answers a call can ask who made it.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from functools import partial
from typing import NamedTuple

from dbus_fast import BusType, Message, MessageFlag, MessageType
from dbus_fast.aio import MessageBus, message_bus

from kapsule.daemon.closing import close_soon
from kapsule.daemon.reader import LARGE_CALLS, Refused, build_message_reader
from kapsule.daemon.writer import Writer

# dbus-fast has no other way to have messages read and written by somebody else.
message_bus.build_message_reader = build_message_reader  # type: ignore[attr-defined]
message_bus._MessageWriter = Writer  # type: ignore[misc]


class Call(NamedTuple):
    """The call that is being answered.

    sender: the caller's unique name. wants_reply: whether anybody waits for the answer.
    descriptors: what came with it; to be closed by whoever answers. is_interactive: whether the
    caller lets its user be asked to authenticate.
    """

    sender: str
    wants_reply: bool
    descriptors: tuple[int, ...]
    is_interactive: bool = False


_current: ContextVar[Call] = ContextVar("call")


def current_call() -> Call:
    """Return the call that the running method answers.

    dbus-fast starts a method's task while it handles the message, so the task has a context of
    its own in which this stays true.
    """
    return _current.get()


class Bus(MessageBus):
    """A connection to the system bus, or to the bus at address.

    takes_descriptors: tells of a message whether its file descriptors are wanted.
    """

    def __init__(
        self, address: str | None = None, *, takes_descriptors: Callable[[Message], bool]
    ) -> None:
        super().__init__(address, BusType.SYSTEM, negotiate_unix_fd=True)
        self._takes_descriptors = takes_descriptors
        self._audience: dict[str, str] = {}
        self.add_message_handler(self._receive)

    def address_signals(self, path: str, destination: str) -> None:
        """Send what the object at path signals to this unique name alone from now on."""
        self._audience[path] = destination

    def forget_address(self, path: str) -> None:
        """Take address_signals() back."""
        self._audience.pop(path, None)

    def send(  # type: ignore[override]  # of the base class, like dbus-fast's own asyncio bus
        self, msg: Message
    ) -> "asyncio.Future[None]":
        """Send a message, and close the descriptors in it when it is sent.

        Nothing happens on a connection that is lost: nobody is left to hear it.
        """
        if msg.message_type is MessageType.SIGNAL and msg.path in self._audience:
            msg.destination = self._audience[msg.path]
        descriptors = tuple(msg.unix_fds)
        if not self.connected:
            close_all(descriptors)
            return _nothing()
        try:
            sent: asyncio.Future[None] = super().send(msg)
        except OSError:  # it was lost just now
            close_all(descriptors)
            return _nothing()
        except BaseException:
            close_all(descriptors)
            raise
        sent.add_done_callback(partial(_sent, descriptors))
        return sent

    async def wait_for_end(self) -> None:
        """Wait until the connection has ended. Raises whatever ended it."""
        # Shielded: everybody who waits in dbus-fast waits for one and the same future.
        await asyncio.shield(self.wait_for_disconnect())  # type: ignore[no-untyped-call]

    def _process_message(self, msg: Message) -> None:
        """Process a message, and let go of what is in a large one: the method has it now."""
        super()._process_message(msg)
        if msg.member in LARGE_CALLS:
            msg.body = []

    def _receive(self, message: Message) -> Message | bool:
        """Take note of a message before anything else looks at it, and answer a refused one."""
        for descriptor in message.unix_fds:
            os.set_inheritable(descriptor, False)
        if message.unix_fds and not self._takes_descriptors(message):
            close_soon(message.unix_fds)
            message.unix_fds = []
        wants_reply = not message.flags & MessageFlag.NO_REPLY_EXPECTED
        is_interactive = bool(message.flags & MessageFlag.ALLOW_INTERACTIVE_AUTHORIZATION)
        descriptors = tuple(message.unix_fds)
        _current.set(Call(message.sender or "", wants_reply, descriptors, is_interactive))
        return isinstance(message, Refused) and _answer(message, wants_reply)


def _answer(refused: Refused, wants_reply: bool) -> Message | bool:
    """Return the error for a call, True for what wants none, False for a reply: we wait for it."""
    if refused.message_type is MessageType.METHOD_CALL and wants_reply:
        return Message.new_error(refused, *refused.error)
    return refused.message_type in (MessageType.METHOD_CALL, MessageType.SIGNAL)


def close_all(descriptors: Iterable[int]) -> None:
    """Close descriptors of ours; one that is not open any more is no error.

    Closing what somebody else sent can take as long as they like: closing.py.
    """
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _sent(descriptors: tuple[int, ...], sent: "asyncio.Future[None]") -> None:
    close_all(descriptors)
    if not sent.cancelled():
        sent.exception()  # the loss of the connection is told by wait_for_disconnect()


def _nothing() -> "asyncio.Future[None]":
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done
