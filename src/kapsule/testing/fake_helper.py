# SPDX-License-Identifier: GPL-3.0-or-later
"""A scripted session helper on a unix socket, for what a real one cannot be made to answer.

    with FakeHelper(address) as helper:
        helper.on("unmount", {"notes": []}, refusal("the guest hangs"))

It runs on the event loop of the test. Each request gets the next answer of its script, the last one
again and again.
"""

import asyncio
import socket
from typing import Any, Self

from kapsule.errors import GuestError
from kapsule.session import protocol


class FakeHelper:
    """The helper. address: where it listens while the context is open.

    asked: the kinds of all requests so far, in order.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked: list[str] = []
        self._scripts: dict[str, list[dict[str, Any]]] = {}
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def on(self, kind: str, *answers: dict[str, Any]) -> None:
        """Script the answers to a kind of request."""
        self._scripts[kind] = list(answers)

    def __enter__(self) -> Self:
        self._listener.bind(self.address)
        self._listener.listen()
        asyncio.get_running_loop().add_reader(self._listener, self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        channel, _ = self._listener.accept()
        asyncio.get_running_loop().add_reader(channel, self._answer, channel)

    def _answer(self, channel: socket.socket) -> None:
        asyncio.get_running_loop().remove_reader(channel)
        with channel:
            message, descriptors = protocol.receive(channel)
            protocol.close_all(descriptors)
            self.asked.append(message["kind"])
            script = self._scripts[message["kind"]]
            protocol.send(channel, script.pop(0) if len(script) > 1 else script[0])


def refusal(text: str) -> dict[str, Any]:
    """Answer with a GuestError."""
    return {"error": GuestError.dbus_name, "text": text}
