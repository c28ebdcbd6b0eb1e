# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes on inside running containers, by way of the session helper."""

import asyncio
import os
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary, finalize

from kapsule import names
from kapsule.errors import Busy, GuestError, IncusError, IncusUnavailable, InternalError, from_dbus
from kapsule.incus import instances
from kapsule.incus.client import IncusClient
from kapsule.session import border, mount_requests, protocol
from kapsule.session.guest_actions import (
    Action,
    GuestFile,
    actions_from_wire,
    actions_to_wire,
    files_from_wire,
)
from kapsule.session.sharing import Plan


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Boot:
    """One run of a container: its init, held by a pidfd so that the number cannot change hands.

    The pidfd is open as long as somebody has this.
    """

    pid: int
    pidfd: int

    def __post_init__(self) -> None:
        finalize(self, os.close, self.pidfd)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Login:
    """A user's login session in one run of a container; pid None where the guest gives none.

    The pidfd is open as long as somebody has this.
    """

    boot: Boot
    pid: int | None
    pidfd: int | None
    environment: dict[str, str]
    groups: tuple[int, ...]
    note: str

    def __post_init__(self) -> None:
        if self.pidfd is not None:
            finalize(self, os.close, self.pidfd)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the helper answered. channel stays open to the helper's process of this request."""

    message: dict[str, Any]
    descriptors: list[int]
    channel: socket.socket


class Guests:
    """The running containers, seen from inside.

    incus: asked for the pid of a container's init, once a run. address: the helper's socket.
    patience: how long the helper may take to answer, in seconds. It gives up by itself before, but
    for a file system of the guest's that not even SIGKILL gets it out of.
    """

    def __init__(
        self, incus: IncusClient, address: str = names.SESSION_SOCKET, *, patience: float = 120.0
    ) -> None:
        self._incus = incus
        self._address = address
        self._patience = patience
        self._boots: dict[str, Boot] = {}
        self._logins: dict[tuple[str, int], Login] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def boot(self, name: str) -> Boot:
        """Return the run that the container is in. Raises Busy when it does not run."""
        boot = self._boots.get(name)
        if boot and border.is_alive(boot.pidfd):
            return boot
        async with self._lock(name):
            self._forget_what_ended()
            if name not in self._boots:
                self._boots[name] = await self._find_boot(name)
            return self._boots[name]

    async def login(self, name: str, user: str, uid: int, *, own_session: bool = False) -> Login:
        """Return the user's login session in the container; open it when there is none.

        own_session: whether the user has services and a bus of their own in there, which run then.
        Raises NoAccount when the guest has no such user, GuestError when it does not come up.
        """
        boot = await self.boot(name)
        if login := self._living_login(name, uid):
            return login
        async with self._lock(name):
            login = self._living_login(name, uid)
            if login is None:
                login = self._logins[name, uid] = await self._open_login(
                    boot, user, uid, own_session
                )
            return login

    async def read(self, name: str, paths: Sequence[str]) -> dict[str, GuestFile | None]:
        """Return what is at each path inside the container, None where there is nothing."""
        reply = await self._ask_about_files("read", name, {"paths": list(paths)})
        return files_from_wire(reply["files"])

    async def apply(self, name: str, actions: Sequence[Action]) -> list[Action]:
        """Apply all of the actions inside the container, or none; return what takes them back."""
        reply = await self._ask_about_files("apply", name, {"actions": actions_to_wire(actions)})
        return actions_from_wire(reply["undo"])

    async def missing_locales(self, name: str, locales: Collection[str]) -> frozenset[str]:
        """Return those of the locales that programs in the container would not find."""
        reply = await self._ask_about_files("locales", name, {"names": list(locales)})
        answered = reply.get("missing")
        if not isinstance(answered, list):
            raise GuestError("The container answered with what cannot be")
        return frozenset(each for each in locales if each in answered)

    async def run(self, name: str, command: Sequence[str], text: str, seconds: float) -> int:
        """Run a program as the container's root; return its exit code, 128 + N after signal N.

        command: an absolute path and words. text: its standard input; nobody sees its output.
        Raises GuestError when it cannot be executed, and when it takes longer than that many
        seconds: then all that it started is ended.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._run(name, command, text)
        except TimeoutError:
            raise GuestError(f"{command[0]} did not end within {seconds:.0f} s") from None

    async def mount(self, name: str, plan: Plan) -> list[str]:
        """Put in place what a container shares; return what could not be, in words."""
        return await self._mount("mount", name, {"plan": mount_requests.plan_to_wire(plan)})

    async def unmount(self, name: str, targets: Sequence[str]) -> list[str]:
        """Take away what is mounted at targets in a container; return what could not be."""
        return await self._mount("unmount", name, {"targets": list(targets)})

    async def _mount(self, kind: str, name: str, message: dict[str, Any]) -> list[str]:
        reply = await self._ask_about_files(kind, name, message)
        return [str(note) for note in reply.get("notes", ())]

    async def _run(self, name: str, command: Sequence[str], text: str) -> int:
        boot = await self.boot(name)
        message = {"init": boot.pid, "command": list(command), "input": text}
        reply = await self.call("run", message, [boot.pidfd])
        try:
            await _readable(reply.channel)
            kind, _, number = reply.channel.recv(64).partition(b" ")
        finally:
            reply.channel.close()
        if not number:
            raise GuestError(f"{command[0]} is gone; the session helper's log says why")
        return int(number) + (128 if kind == b"killed" else 0)

    async def call(self, kind: str, message: dict[str, Any], descriptors: Sequence[int]) -> Reply:
        """Send the helper one request and return its answer; raise the error that it answers."""
        channel = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        channel.setblocking(False)
        try:
            self._send(channel, {"kind": kind, **message}, tuple(descriptors))
            async with asyncio.timeout(self._patience):
                answer, given = await _receive(channel)
        except TimeoutError:
            channel.close()
            raise GuestError(
                "The container does not answer", hint="A file system in it may hang."
            ) from None
        except BaseException:
            channel.close()
            raise
        if "error" in answer:
            channel.close()
            protocol.close_all(given)
            raise from_dbus(str(answer["error"]), str(answer.get("text", "")))
        return Reply(answer, given, channel)

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    def _forget_what_ended(self) -> None:
        """Drop the runs that are over, of all containers: nobody asks again for a deleted one."""
        boots = {name: each for name, each in self._boots.items() if border.is_alive(each.pidfd)}
        self._boots = boots
        logins = self._logins.items()
        self._logins = {key: each for key, each in logins if each.boot is boots.get(key[0])}

    def _living_login(self, name: str, uid: int) -> Login | None:
        login = self._logins.get((name, uid))
        if login and (login.pidfd is None or border.is_alive(login.pidfd)):
            return login
        return None

    def _send(
        self, channel: socket.socket, message: protocol.Message, descriptors: tuple[int, ...]
    ) -> None:
        """Send the helper a request. Neither call waits, for a local socket: unix(7)."""
        try:
            channel.connect(self._address)
            protocol.send(channel, message, descriptors)
        except BlockingIOError as error:  # as many wait to be taken as may
            raise Busy(
                "The session helper has too much to do", hint="Try again in a moment"
            ) from error
        except OSError as error:
            raise InternalError(
                f"The session helper does not answer: {error.strerror}",
                hint="systemctl restart kapsule-session.socket",
            ) from error

    async def _find_boot(self, name: str) -> Boot:
        for _ in range(3):
            pid = await self._init_of(name)
            if pid <= 0:
                break
            try:
                boot = Boot(pid, os.pidfd_open(pid))
            except ProcessLookupError:
                continue
            # Asked again, so that the pid was the container's when it was opened.
            if await self._init_of(name) == pid:
                return boot
        raise Busy(f"Container '{name}' is not running", hint="It may have just stopped; try again")

    async def _init_of(self, name: str) -> int:
        """Return the pid of the container's init, 0 where there is none.

        Incus 6.0 fails with "Invalid PID" while init goes away.
        """
        try:
            return (await instances.get_state(self._incus, name)).pid
        except IncusUnavailable:
            raise
        except IncusError as error:
            if "Invalid PID" not in error.message:
                raise
            return 0

    async def _open_login(self, boot: Boot, user: str, uid: int, own_session: bool) -> Login:
        message = {"init": boot.pid, "name": user, "uid": uid, "own_session": own_session}
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
    await _readable(channel)
    try:
        return protocol.receive(channel)
    except (EOFError, OSError, protocol.ProtocolError) as error:
        raise GuestError(
            "The session helper gave up",
            hint="A file system in the container may hang. See also: journalctl -u kapsule-session",
        ) from error


async def _readable(channel: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()
    loop.add_reader(channel, _set, readable)
    try:
        await readable
    finally:
        loop.remove_reader(channel)


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
