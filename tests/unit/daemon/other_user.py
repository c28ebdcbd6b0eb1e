# SPDX-License-Identifier: GPL-3.0-or-later
"""Another user on the bus: a process of its own, because the bus looks at that."""

import asyncio
import json
import sys
from typing import Any

from dbus_fast import DBusError

from kapsule import names

# Makes the calls that it reads, one JSON list a line, and prints each answer.
_PROGRAM = """
import json, os, sys
from jeepney import DBusAddress, MessageFlag, MessageType, new_method_call
from jeepney.io.blocking import open_dbus_connection
# Not before: the interpreter's files may be for the first user only.
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
bus = open_dbus_connection(sys.argv[2])
print(json.dumps(bus.unique_name), flush=True)
for line in sys.stdin:
    path, interface, member, signature, body, flags, times = json.loads(line)
    address = DBusAddress(path, "org.kde.kapsule", interface)
    call = new_method_call(address, member, signature, tuple(body))
    call.header.flags = MessageFlag(flags)
    for _ in range(times):
        bus.send(call)
    left = times
    while left:
        reply = bus.receive()
        if reply.header.message_type not in (MessageType.method_return, MessageType.error):
            continue
        left -= 1
        is_error = reply.header.message_type is MessageType.error
        error = reply.header.fields.get(4) if is_error else None
        print(json.dumps([error, reply.body]), flush=True)
"""
_ALLOW_INTERACTIVE_AUTHORIZATION = 4


class OtherUser:
    """A client of the user with a uid. unique_name: its name on the bus."""

    def __init__(self, process: asyncio.subprocess.Process, unique_name: str) -> None:
        self.process = process
        self.unique_name = unique_name

    @classmethod
    async def connect(cls, uid: int, address: str) -> "OtherUser":
        """Start it."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", _PROGRAM, str(uid), address),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        return cls(process, json.loads(await process.stdout.readline()))

    async def call(
        self,
        member: str,
        signature: str = "",
        *body: object,
        path: str = names.MANAGER_PATH,
        interface: str = names.MANAGER_INTERFACE,
        interactive: bool = False,
    ) -> object:
        """Make a call and return its first result. Raises DBusError."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        flags = _ALLOW_INTERACTIVE_AUTHORIZATION if interactive else 0
        request = json.dumps([path, interface, member, signature, body, flags, 1])
        self.process.stdin.write(request.encode() + b"\n")
        error, answer = json.loads(await self.process.stdout.readline())
        if error:
            raise DBusError(error, answer[0])
        result: object = answer[0] if answer else None
        return result

    async def flood(self, member: str, times: int) -> list[str | None]:
        """Make a call many times before its first answer; return the names of the errors."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        request = [names.MANAGER_PATH, names.MANAGER_INTERFACE, member, "", [], 0, times]
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        answers = [await self.process.stdout.readline() for _ in range(times)]
        return [json.loads(answer)[0] for answer in answers]

    async def refusal(self, member: str, signature: str = "", *body: object, **to: Any) -> str:
        """Make a call that is refused; return the error's name and text."""
        try:
            result = await self.call(member, signature, *body, **to)
        except DBusError as error:
            return f"{error.type}: {error.text}"
        raise AssertionError(f"{member} answers {result!r}")

    async def status(self, path: str) -> dict[str, str]:
        """Return the properties of an operation when it has ended."""
        to: dict[str, Any] = {"path": path, "interface": "org.freedesktop.DBus.Properties"}
        while True:
            values = await self.call("GetAll", "s", names.OPERATION_INTERFACE, **to)
            assert isinstance(values, dict)
            properties = {key: value for key, (_, value) in values.items()}
            if properties["Status"] != "running":
                return properties
