# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon's life: how it comes up, what ends it and what it leaves behind."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from dbus_fast import DBusError

from kapsule import __version__, names
from kapsule.errors import AlreadyExists, Busy, IncusUnavailable, KapsuleError
from kapsule.pipeline.progress import Progress

from .client import PROPERTIES, Client
from .conftest import Connect, Daemon, launch, private_bus


async def version(client: Client) -> str:
    """Return the daemon's Version."""
    value = await client.call("Get", "ss", names.MANAGER_INTERFACE, "Version", interface=PROPERTIES)
    return str(value.value)


async def test_the_second_daemon_gives_up(client: Client, daemon: Daemon, bus_address: str) -> None:
    """Only one owns the name; the other says why it ends, and the first goes on."""
    second = await launch(bus_address)
    with pytest.raises(AlreadyExists, match="Another daemon"):
        await second.task
    assert await version(client) == __version__


async def test_the_end_cancels_undoes_and_tells_before_the_name_goes(
    bus_address: str, connect: Connect
) -> None:
    """Callers that wait get Completed; new work is refused meanwhile; then the name is free."""
    daemon, client = await launch(bus_address), await connect()
    begun, undoing, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work(progress: Progress) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            undoing.set()
            await go_on.wait()
            progress.message("undone")

    daemon.work.work = work
    path = await client.call("StartContainer", "s", "mine")
    await client.get_all(path)
    await begun.wait()
    daemon.stop.set()
    await undoing.wait()
    with pytest.raises(DBusError, match="about to end") as raised:
        await client.call("StartContainer", "s", "mine")
    assert raised.value.type == Busy.dbus_name
    go_on.set()
    await daemon.task
    assert (await client.wait_for("Message", path)).body[1] == "undone"
    assert (await client.wait_for("Completed", path)).body == [False, "Operation cancelled"]
    with pytest.raises(DBusError):
        await client.call("ListContainers")


async def test_the_loss_of_the_bus_is_an_error() -> None:
    """The daemon must not seem to have ended well, or nobody would start it again."""
    with private_bus() as (address, bus):
        daemon = await launch(address)
        bus.kill()
        with pytest.raises(KapsuleError, match="The bus is lost"):
            await daemon.task


async def test_the_loss_of_the_bus_ends_what_runs() -> None:
    """What nobody can be told of is undone too."""
    begun, undone = asyncio.Event(), asyncio.Event()

    async def work(progress: Progress) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            progress.message("to nobody")
            undone.set()

    with private_bus() as (address, bus):
        daemon = await launch(address)
        daemon.work.work = work
        client = Client(address)
        await client.connect()
        await client.call("StartContainer", "s", "mine")
        await begun.wait()
        bus.kill()
        with pytest.raises(KapsuleError, match="The bus is lost"):
            await daemon.task
        assert undone.is_set()
        await client.wait_for_loss()


async def test_the_failure_of_the_background_work_is_an_error(bus_address: str) -> None:
    """A daemon whose containers are not kept right any more does not go on."""

    async def fail() -> None:
        raise ZeroDivisionError

    daemon = await launch(bus_address, background=fail)
    with pytest.raises(ZeroDivisionError):
        await daemon.task


class Program:
    """`kapsule-daemon` as a process of its own, without an Incus."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def end(self) -> tuple[int, str]:
        """Wait until it has ended; return exit status and what it logged."""
        _, log = await asyncio.wait_for(self.process.communicate(), 20)
        assert self.process.returncode is not None
        return self.process.returncode, log.decode()


Run = Callable[..., Awaitable[Program]]


@pytest.fixture
async def run(bus_address: str) -> AsyncIterator[Run]:
    """Return a function that runs the program, with its arguments and variables."""
    programs = []

    async def started(*arguments: str, address: str = bus_address, **variables: str) -> Program:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "kapsule.daemon", "--bus-address", address, *arguments),
            env={**os.environ, "INCUS_SOCKET": "/nowhere/unix.socket", **variables},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        programs.append(process)
        return Program(process)

    yield started
    for process in programs:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def until_served(client: Client) -> None:
    """Wait until there is a daemon."""
    for _ in range(1000):
        try:
            await version(client)
        except DBusError:
            await asyncio.sleep(0.02)
        else:
            return


async def test_it_answers_while_incus_is_down(run: Run, connect: Connect) -> None:
    """Version and settings are there; what needs Incus says that it is not."""
    program, client = await run(), await connect()
    await until_served(client)
    assert await version(client) == __version__
    assert "default_container" in await client.call("GetConfig")
    with pytest.raises(DBusError) as raised:
        await client.call("ListContainers")
    assert raised.value.type == IncusUnavailable.dbus_name
    path = await client.call("StartContainer", "s", "x")
    await client.get_all(path)
    success, error = (await client.wait_for("Completed", path)).body
    assert not success
    assert "Incus" in error
    program.process.send_signal(signal.SIGTERM)
    status, log = await program.end()
    assert status == 0
    assert "Traceback" not in log


async def test_an_interrupt_ends_it_well(run: Run, connect: Connect) -> None:
    """Ctrl-C on a terminal is as good as SIGTERM."""
    program = await run()
    await until_served(await connect())
    program.process.send_signal(signal.SIGINT)
    assert (await program.end())[0] == 0


async def test_trouble_is_an_exit_status(run: Run, daemon: Daemon, tmp_path: Path) -> None:
    """A second daemon and a bus that is not there end it with 1 and a reason."""
    status, log = await (await run()).end()
    assert (status, "Another daemon" in log) == (1, True)
    status, log = await (await run(address=f"unix:path={tmp_path}/none")).end()
    assert (status, "bus does not answer" in log) == (1, True)
    assert "Traceback" not in log


async def test_a_lost_bus_is_an_exit_status(run: Run) -> None:
    """systemd restarts it only when it has failed."""
    with private_bus() as (address, bus):
        client = Client(address)
        await client.connect()
        program = await run(address=address)
        await until_served(client)
        bus.kill()
        status, log = await program.end()
        await client.wait_for_loss()
    assert (status, "The bus is lost" in log) == (1, True)


async def test_the_service_manager_is_told(run: Run, connect: Connect, tmp_path: Path) -> None:
    """READY comes when calls are answered, STOPPING with SIGTERM; log lines have priorities."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        program = await run(NOTIFY_SOCKET=str(tmp_path / "notify"))
        loop = asyncio.get_running_loop()
        assert await asyncio.wait_for(loop.sock_recv(manager, 99), 20) == b"READY=1"
        assert await version(await connect()) == __version__
        program.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(loop.sock_recv(manager, 99), 20) == b"STOPPING=1"
    assert (await program.end())[0] == 0


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("--version", f"kapsule-daemon version {__version__}"),
        ("--help", "--describe-pipelines"),
        ("--describe-pipelines", "create: "),
    ],
)
async def test_it_explains_itself_without_a_bus(run: Run, argument: str, expected: str) -> None:
    """These need nothing that runs."""
    program = await run(argument, address="unix:path=/nowhere")
    output, _ = await program.process.communicate()
    assert program.process.returncode == 0
    assert expected in output.decode()
