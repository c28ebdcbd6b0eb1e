# SPDX-License-Identifier: GPL-3.0-or-later
"""Has calls wait for their turn, so that nobody's calls wait behind all of somebody else's.

All messages come over one connection, in the order in which they were sent. Here each connection
of a caller has a queue of its own, and in each round of the event loop each queue gives one call.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from dbus_fast import DBusError, Message, MessageType

# Of one connection. The bus lets nobody wait for more answers than that; only calls that want none
# can be more.
_LONGEST = 128
_LONGEST_WITH_DESCRIPTORS = 4  # each may have sixteen

log = logging.getLogger(__name__)


class Turns:
    """Gives messages to process: replies and signals at once, a call when it is its turn."""

    def __init__(self, process: Callable[[Message], None]) -> None:
        self._process = process
        self._queues: dict[str, deque[Message]] = {}
        self._is_awaited = False

    def take(self, message: Message) -> bool:
        """Take a message; say whether there was room for it."""
        if message.message_type is not MessageType.METHOD_CALL:
            self.give(message)
            return True
        sender = message.sender or ""
        longest = _LONGEST_WITH_DESCRIPTORS if message.unix_fds else _LONGEST
        if len(self._queues.get(sender, ())) >= longest:
            return False
        self._queues.setdefault(sender, deque()).append(message)
        self._await_round()
        return True

    def give(self, message: Message) -> None:
        """Give a message to process now. Nothing is raised."""
        try:
            self._process(message)
        except DBusError as error:
            log.debug("A call that wants no answer failed: %s", error)
        except Exception:
            log.exception("Unexpected error")

    def _await_round(self) -> None:
        if not self._is_awaited:
            self._is_awaited = True
            asyncio.get_running_loop().call_soon(self._round)

    def _round(self) -> None:
        self._is_awaited = False
        for sender, queue in tuple(self._queues.items()):
            message = queue.popleft()
            if not queue:
                del self._queues[sender]
            self.give(message)
        if self._queues:
            self._await_round()
