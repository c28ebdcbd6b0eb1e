# SPDX-License-Identifier: GPL-3.0-or-later
"""A private system bus, the daemon in this process, and real clients."""

import asyncio
import contextlib
import os
import pwd
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from dbus_fast import DBusError

from kapsule.daemon.app import Parts, serve
from kapsule.daemon.operations import Timing

from .client import Client
from .fakes import FakeContainers, FakeWork, container
from .other_user import OtherUser

POLICY = Path(__file__).parents[3] / "data" / "dbus" / "org.kde.kapsule.conf"
COMMAND = "/opt/kapsule/bin/kapsule"
NOBODY = pwd.getpwnam("nobody")
ALICE = 54321  # a uid without an account

# Short, so that the tests are; in the same order as the real ones.
FAST = Timing(hold=0.1, settle=0.03, repeat=0.03, linger=0.06, remember=0.2)

# The rules of dbus-daemon's own system.conf, with the policy that we ship.
_BUS_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={folder}/socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
    <allow send_destination="org.freedesktop.PolicyKit1"/>
  </policy>
  <policy user="root">
    <allow own="org.freedesktop.PolicyKit1"/>
  </policy>
  <include>{policy}</include>
</busconfig>
"""


@contextlib.contextmanager
def private_bus() -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Run a bus with the rules of a system bus; give its address and its process."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        config = Path(folder) / "bus.conf"
        config.write_text(_BUS_CONFIG.format(folder=folder, policy=POLICY))
        command = ["dbus-daemon", "--nofork", "--print-address", f"--config-file={config}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield process.stdout.readline().strip(), process
            finally:
                process.terminate()


@pytest.fixture(scope="session")
def bus_address() -> Iterator[str]:
    """The address of a private system bus."""
    if os.geteuid() != 0:
        pytest.skip("the bus lets only root be the daemon")
    with private_bus() as (address, _):
        yield address


@dataclass(frozen=True)
class Daemon:
    """A daemon in this process. stop: set to end it as SIGTERM does; task: ends when it has."""

    containers: FakeContainers
    work: FakeWork
    stop: asyncio.Event
    task: "asyncio.Task[None]"


async def launch(address: str, **changes: object) -> Daemon:
    """Start a daemon and wait until it answers. changes: of its Parts."""
    containers = FakeContainers(container("mine"), container("alices", owner=ALICE))
    work, stop = FakeWork(), asyncio.Event()
    parts = Parts(
        containers,
        work.features(),
        background=_for_ever,
        command=COMMAND,
        admin_gid=lambda: None,
        load_config=work.load_config,
        timing=FAST,
    )
    parts = replace(parts, **changes)  # type: ignore[arg-type]  # callers know the fields
    task = asyncio.create_task(serve(address, parts, stop))
    await _until_served(address, task)
    return Daemon(containers, work, stop, task)


@pytest.fixture
async def daemon(bus_address: str) -> AsyncIterator[Daemon]:
    """A daemon with the containers `mine`, of root, and `alices`."""
    started = await launch(bus_address)
    yield started
    started.stop.set()
    await started.task


Connect = Callable[[], Awaitable[Client]]


@pytest.fixture
async def connect(bus_address: str) -> AsyncIterator[Connect]:
    """Return a function that connects a client, as root."""
    clients = []

    async def connected() -> Client:
        clients.append(Client(bus_address))
        await clients[-1].connect()
        return clients[-1]

    yield connected
    for client in clients:
        await client.disconnect()


@pytest.fixture
async def client(connect: Connect, daemon: Daemon) -> Client:
    """A client, as root, of a daemon that runs."""
    return await connect()


Become = Callable[[int], Awaitable[OtherUser]]


@pytest.fixture
async def become(bus_address: str) -> AsyncIterator[Become]:
    """Return a coroutine function that connects as the user with a uid."""
    users = []

    async def other(uid: int) -> OtherUser:
        users.append(await OtherUser.connect(uid, bus_address))
        return users[-1]

    yield other
    for user in users:
        await user.process.communicate(b"")


@pytest.fixture
async def nobody(become: Become, daemon: Daemon) -> OtherUser:
    """A client of the user nobody, who is no administrator."""
    return await become(NOBODY.pw_uid)


async def _for_ever() -> None:
    await asyncio.Event().wait()


async def _until_served(address: str, task: "asyncio.Task[None]") -> None:
    client = Client(address)
    await client.connect()
    try:
        for _ in range(500):
            with contextlib.suppress(DBusError):
                await client.call("ListOperations")
                return
            if task.done():
                return
            await asyncio.sleep(0.01)
    finally:
        await client.disconnect()
