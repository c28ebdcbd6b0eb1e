# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to the system bus without a library in between."""

import os
import socket
import time
from collections.abc import Sequence
from types import TracebackType

from tests.system.fuzz import wire
from tests.system.fuzz.wire import Message, Reply

_ADDRESS = "/run/dbus/system_bus_socket"
_BUS = "org.freedesktop.DBus"
PATIENCE = 30.0


class Gone(Exception):
    """The bus has closed the connection: it does so to whoever sends what is no message."""


class Peer:
    """A connection of the calling process's user."""

    def __init__(self) -> None:
        self._serial = 0
        self._answers: dict[int, Reply] = {}
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(_ADDRESS)
        uid = str(os.geteuid()).encode().hex()
        self._say(f"\0AUTH EXTERNAL {uid}\r\n")
        self._say("NEGOTIATE_UNIX_FD\r\n")
        self._socket.sendall(b"BEGIN\r\n")
        self.ask_bus("Hello")

    def __enter__(self) -> "Peer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave, whatever is on its way."""
        self._socket.close()

    def send(self, message: Message, fds: Sequence[int] = ()) -> int:
        """Send a message and return its serial. Raises Gone."""
        self._serial += 1
        self.send_bytes(message.encode(self._serial), fds)
        return self._serial

    def send_bytes(self, data: bytes, fds: Sequence[int] = ()) -> None:
        """Send bytes. Raises Gone."""
        try:
            if fds:
                sent = socket.send_fds(self._socket, [data], list(fds))
                data = data[sent:]
            self._socket.sendall(data)
        except ConnectionError as error:
            raise Gone from error

    def wait(self, serial: int, patience: float = PATIENCE) -> Reply:
        """Return the answer to the message with this serial. Raises Gone, TimeoutError."""
        deadline = time.monotonic() + patience
        while serial not in self._answers:
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            self._take(wire.decode(self._receive()))
        self._socket.settimeout(PATIENCE)
        return self._answers.pop(serial)

    def hear(self, signals: int) -> None:
        """Wait for so many signals of operations, or for the end of one, or for an error."""
        while signals > 0:
            heard = wire.decode(self._receive())
            if heard.kind == wire.ERROR or heard.member == "Completed":
                return
            signals -= heard.kind == wire.SIGNAL and heard.sender != _BUS
            if heard.kind == wire.METHOD_RETURN and heard.signature != "o":
                return

    def call(self, message: Message, fds: Sequence[int] = ()) -> Reply:
        """Send a message and return the answer."""
        return self.wait(self.send(message, fds))

    def ask_bus(self, member: str, signature: str = "", *body: object) -> Reply:
        """Call the bus itself."""
        path = "/org/freedesktop/DBus"
        return self.call(Message(path, _BUS, member, signature, body, destination=_BUS))

    def _take(self, reply: Reply) -> None:
        if reply.kind in (wire.METHOD_RETURN, wire.ERROR):
            self._answers[reply.reply_serial] = reply

    def _receive(self) -> bytes:
        header = self._read(16)
        return header + self._read(wire.size(header) - 16)

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                more, fds, _, _ = socket.recv_fds(self._socket, count - len(data), 16)
            except ConnectionError as error:
                raise Gone from error
            for each in fds:
                os.close(each)
            if not more:
                raise Gone
            data += more
        return data

    def _say(self, line: str) -> None:
        self._socket.sendall(line.encode())
        answer = b""
        while not answer.endswith(b"\r\n"):
            answer += self._socket.recv(256)
        if not answer.startswith((b"OK", b"AGREE")):
            raise ConnectionError(answer.decode())
