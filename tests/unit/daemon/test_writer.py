# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written to the bus, however busy it is."""

import asyncio
import contextlib
import os
import signal
import socket
from array import array

from kapsule.daemon.writer import PatientSocket

from .client import Client
from .conftest import launch, private_bus


def test_descriptors_wait_with_their_message() -> None:
    """They go with the first bytes that the socket takes, and only once."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    patient = PatientSocket(ours)
    while patient.send(memoryview(bytes(100_000))):
        pass
    readable, writable = os.pipe()
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [writable]))]
    assert patient.sendmsg([memoryview(b"with")], ancillary) == 0
    theirs.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while theirs.recv(1 << 20):
            pass
    assert patient.send(memoryview(b"with")) == 4
    data, received, _, _ = socket.recv_fds(theirs, 100, 4)
    assert data == b"with"
    assert len(received) == 1
    assert patient.send(memoryview(b"out")) == 3
    assert socket.recv_fds(theirs, 100, 4)[:2] == (b"out", [])
    for each in (readable, writable, *received):
        os.close(each)
    ours.close()
    theirs.close()


async def test_a_bus_that_has_no_time() -> None:
    """What does not fit is sent when the bus goes on; the daemon does not take it for lost."""
    with private_bus() as (address, process):
        daemon = await launch(address)
        client = Client(address)
        await client.connect()
        process.send_signal(signal.SIGSTOP)
        for _ in range(30_000):
            daemon.containers.change()
        await asyncio.sleep(0)
        process.send_signal(signal.SIGCONT)
        assert await client.call("ListOperations") == []
        assert not daemon.task.done()
        await client.disconnect()
        daemon.stop.set()
        await daemon.task
