# SPDX-License-Identifier: GPL-3.0-or-later
"""Hides operations from those whose they are not.

dbus-fast answers for every object that is on the bus: Introspect names all children,
GetManagedObjects all properties, and Properties is everybody's. Here that is put right, before
dbus-fast sees the call. For others, an operation is like one that never was.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from dbus_fast import DBusError, Message, MessageType, Variant, introspection

from kapsule import __version__, names
from kapsule.daemon.bus import Bus, current_call
from kapsule.daemon.callers import Caller, Callers
from kapsule.errors import KapsuleError

_STANDARD = "org.freedesktop.DBus."
_PEER = _STANDARD + "Peer"
_UNKNOWN_OBJECT = _STANDARD + "Error.UnknownObject"
_BELOW = names.OPERATIONS_PATH + "/"
_ROOT = 0

# What one sees below each object that is there whether or not anything runs.
_CHILDREN: Mapping[str, tuple[str, ...]] = {
    "/": ("org",),
    "/org": ("kde",),
    "/org/kde": ("kapsule",),
    names.MANAGER_PATH: ("operations",),
    names.OPERATIONS_PATH: (),
}

# Path -> properties by name.
Properties = Mapping[str, Mapping[str, str]]


class Guard:
    """Stands before the objects of a bus.

    creator: tells who started the operation at a path, None where there is none. visible: returns
    the operations on the bus that the user with a uid may see.
    """

    def __init__(
        self,
        bus: Bus,
        callers: Callers,
        creator: Callable[[str], Caller | None],
        visible: Callable[[int], Properties],
    ) -> None:
        self._bus = bus
        self._callers = callers
        self._creator = creator
        self._visible = visible
        self._passing: Message | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        bus.add_message_handler(self._check)

    def _check(self, message: Message) -> Message | bool | None:
        """Return an answer, True when it comes later or nobody waits, None to let it pass."""
        if message.message_type is not MessageType.METHOD_CALL or message is self._passing:
            return None
        path, call = message.path or "", (message.interface, message.member)
        if path.startswith(_BELOW):
            return None if message.interface == _PEER else self._check_operation(message, path)
        if path in _CHILDREN and call == (_STANDARD + "Introspectable", "Introspect"):
            return _expected(Message.new_method_return(message, "s", [self._introspect(path)]))
        if path in _CHILDREN and call == (_STANDARD + "ObjectManager", "GetManagedObjects"):
            return self._later(self._managed_objects(message, path))
        return None

    def _check_operation(self, message: Message, path: str) -> Message | bool | None:
        creator = self._creator(path)
        if creator is None:
            return _expected(_refusal(message))
        # Also one that has left: the bus would not tell any more who it was.
        if message.sender == creator.sender:
            return None
        return self._later(self._pass_on(message, creator))

    async def _pass_on(self, message: Message, creator: Caller) -> Message | None:
        """Let dbus-fast have a message, or return the refusal."""
        if await self._uid(message) not in (_ROOT, creator.user.uid):
            return _refusal(message)
        self._passing = message
        try:
            self._bus._process_message(message)
        except DBusError:
            return None  # dbus-fast raises what a call that wants no answer would be answered
        finally:
            self._passing = None
        return None

    async def _managed_objects(self, message: Message, path: str) -> Message:
        uid = await self._uid(message)
        operations = {} if uid is None else self._visible(uid)
        objects = {
            names.MANAGER_PATH: {names.MANAGER_INTERFACE: _variants({"Version": __version__})},
            **{
                each: {names.OPERATION_INTERFACE: _variants(properties)}
                for each, properties in operations.items()
            },
        }
        below = path.rstrip("/") + "/"
        found = {each: content for each, content in objects.items() if each.startswith(below)}
        return Message.new_method_return(message, "a{oa{sa{sv}}}", [found])

    def _introspect(self, path: str) -> str:
        node = self._bus._introspect_export_path(path)
        node.nodes = [introspection.Node(name) for name in _CHILDREN[path]]
        return node.tostring()

    async def _uid(self, message: Message) -> int | None:
        try:
            return await self._callers.uid_of(message.sender or "")
        except KapsuleError:
            return None

    def _later(self, work: Coroutine[Any, Any, Message | None]) -> bool:
        task = asyncio.create_task(self._answer(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _answer(self, work: Coroutine[Any, Any, Message | None]) -> None:
        wants_reply = current_call().wants_reply
        if (answer := await work) and wants_reply:
            await self._bus.send(answer)


def _expected(answer: Message) -> Message | bool:
    """Return an answer if somebody waits for it."""
    return answer if current_call().wants_reply else True


def _refusal(message: Message) -> Message:
    return Message.new_error(message, _UNKNOWN_OBJECT, f"There is no object {message.path}")


def _variants(properties: Mapping[str, str]) -> dict[str, Variant]:
    return {name: Variant("s", value) for name, value in properties.items()}
