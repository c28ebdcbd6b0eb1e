# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes on inside running containers, by way of the session helper."""

import asyncio
import os
import socket
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kapsule import names
from kapsule.errors import Busy, GuestError, InternalError, from_dbus
from kapsule.incus import instances
from kapsule.incus.client import IncusClient
from kapsule.session import border, protocol
from kapsule.session.guest_actions import (
    Action,
    GuestFile,
    actions_from_wire,
    actions_to_wire,
    files_from_wire,
)


@dataclass(frozen=True, slots=True)
class Boot:
    """One run of a container: its init, held by a pidfd so that the number cannot change hands."""

    pid: int
    pidfd: int


@dataclass(frozen=True, slots=True)
class Login:
    """A user's login session in one run of a container; pid None where the guest gives none."""

    boot: Boot
    pid: int | None
    pidfd: int | None
    environment: dict[str, str]
    groups: tuple[int, ...]
    note: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the helper answered. channel stays open to the helper's process of this request."""

    message: dict[str, Any]
    descriptors: list[int]
    channel: socket.socket


class Guests:
    """The running containers, seen from inside.

    incus: asked for the pid of a container's init, once a run. address: the helper's socket.
    """

    def __init__(self, incus: IncusClient, address: str = names.SESSION_SOCKET) -> None:
        self._incus = incus
        self._address = address
        self._boots: dict[str, Boot] = {}
        self._logins: dict[tuple[str, int], Login] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def boot(self, name: str) -> Boot:
        """Return the run that the container is in. Raises Busy when it does not run."""
        boot = self._boots.get(name)
        if boot and border.is_alive(boot.pidfd):
            return boot
        async with self._locks[name]:
            boot = self._boots.get(name)
            if boot is None or not border.is_alive(boot.pidfd):
                self.forget(name)
                boot = self._boots[name] = await self._find_boot(name)
            return boot

    async def login(self, name: str, user: str, uid: int) -> Login:
        """Return the user's login session in the container; open it when there is none.

        Raises NoAccount when the guest has no such user, GuestError when it does not come up.
        """
        boot = await self.boot(name)
        if login := self._living_login(name, uid):
            return login
        async with self._locks[name]:
            login = self._living_login(name, uid)
            if login is None:
                login = self._logins[name, uid] = await self._open_login(boot, user, uid)
            return login

    async def read(self, name: str, paths: Sequence[str]) -> dict[str, GuestFile | None]:
        """Return what is at each path inside the container, None where there is nothing."""
        reply = await self._ask_about_files("read", name, {"paths": list(paths)})
        return files_from_wire(reply["files"])

    async def apply(self, name: str, actions: Sequence[Action]) -> list[Action]:
        """Apply all of the actions inside the container, or none; return what takes them back."""
        reply = await self._ask_about_files("apply", name, {"actions": actions_to_wire(actions)})
        return actions_from_wire(reply["undo"])

    async def call(self, kind: str, message: dict[str, Any], descriptors: Sequence[int]) -> Reply:
        """Send the helper one request and return its answer; raise the error that it answers."""
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        channel.setblocking(False)
        try:
            await self._connect(channel)
            protocol.send(channel, {"kind": kind, **message}, tuple(descriptors))
            answer, given = await _receive(channel)
        except BaseException:
            channel.close()
            raise
        if "error" in answer:
            channel.close()
            protocol.close_all(given)
            raise from_dbus(str(answer["error"]), str(answer.get("text", "")))
        return Reply(answer, given, channel)

    def forget(self, name: str) -> None:
        """Drop what is known of a run of the container that is over."""
        boot = self._boots.pop(name, None)
        if boot:
            os.close(boot.pidfd)
        for key in [key for key in self._logins if key[0] == name]:
            login = self._logins.pop(key)
            if login.pidfd is not None:
                os.close(login.pidfd)

    def _living_login(self, name: str, uid: int) -> Login | None:
        login = self._logins.get((name, uid))
        if login and (login.pidfd is None or border.is_alive(login.pidfd)):
            return login
        return None

    async def _connect(self, channel: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().sock_connect(channel, self._address)
        except OSError as error:
            raise InternalError(
                f"The session helper does not answer: {error.strerror}",
                hint="systemctl restart kapsule-session.socket",
            ) from error

    async def _find_boot(self, name: str) -> Boot:
        for _ in range(3):
            pid = (await instances.get_state(self._incus, name)).pid
            if pid <= 0:
                break
            try:
                pidfd = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            # Asked again, so that the pid was the container's when it was opened.
            if (await instances.get_state(self._incus, name)).pid == pid:
                return Boot(pid, pidfd)
            os.close(pidfd)
        raise Busy(f"Container '{name}' is not running")

    async def _open_login(self, boot: Boot, user: str, uid: int) -> Login:
        message = {"init": boot.pid, "name": user, "uid": uid}
        reply = await self.call("login", message, [boot.pidfd])
        reply.channel.close()
        try:
            pidfd = reply.descriptors.pop() if reply.descriptors else None
            return Login(
                boot=boot,
                pid=reply.message["login"],
                pidfd=pidfd,
                environment=reply.message.get("environment", {}),
                groups=tuple(reply.message.get("groups", ())),
                note=reply.message["note"],
            )
        finally:
            protocol.close_all(reply.descriptors)

    async def _ask_about_files(
        self, kind: str, name: str, message: dict[str, Any]
    ) -> dict[str, Any]:
        boot = await self.boot(name)
        reply = await self.call(kind, {"init": boot.pid, **message}, [boot.pidfd])
        reply.channel.close()
        protocol.close_all(reply.descriptors)
        return reply.message


async def _receive(channel: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Wait for the answer without holding up the event loop."""
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(channel, _set, readable)
    try:
        await readable
    finally:
        loop.remove_reader(channel)
    try:
        return protocol.receive(channel)
    except (EOFError, OSError, protocol.ProtocolError) as error:
        raise GuestError("The session helper gave up; its log says why") from error


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
