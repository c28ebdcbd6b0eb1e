# SPDX-License-Identifier: GPL-3.0-or-later
import socket
from pathlib import Path

import pytest

from kapsule.containers.guest import Guests
from kapsule.errors import Busy, GuestError, InternalError
from kapsule.incus.client import IncusClient


async def test_a_helper_that_never_answers(tmp_path: Path) -> None:
    """One is told, and the helper learns from the closed socket that nobody waits any more."""
    address = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen()
        guests = Guests(IncusClient(), address, patience=0.01)
        with pytest.raises(GuestError, match="does not answer"):
            await guests.call("read", {}, [])
        channel, _ = listener.accept()
        with channel:
            assert channel.recv(16) != b""
            assert channel.recv(16) == b""


async def test_a_helper_that_does_not_run(tmp_path: Path) -> None:
    """It is said which service to look at."""
    guests = Guests(IncusClient(), str(tmp_path / "nobody"))
    with pytest.raises(InternalError) as caught:
        await guests.call("read", {}, [])
    assert "kapsule-session" in caught.value.hint


async def test_a_helper_with_more_requests_than_may_wait(tmp_path: Path) -> None:
    """One is told to try again, and no request is half made."""
    address = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen(0)  # one may wait
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as first:
            first.connect(address)
            with pytest.raises(Busy, match="too much to do"):
                await Guests(IncusClient(), address).call("read", {}, [])


async def test_a_request_that_cannot_be_sent(tmp_path: Path) -> None:
    """What the system says of it is told, not a bug of ours."""
    address = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen()
        with pytest.raises(InternalError, match="Bad file descriptor"):
            await Guests(IncusClient(), address).call("read", {}, [2**20])
