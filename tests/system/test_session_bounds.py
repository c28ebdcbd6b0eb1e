# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds a session up, and what it must never bring along: nothing waits or stays for ever."""

import ctypes
import json
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kapsule.names import SESSION_SOCKET
from tests.system.support import traces
from tests.system.support.users import Result, User, incus

_CLONE_NEWNS = 0x20000
_CGROUPS = "/sys/fs/cgroup/lxc.payload.{}/cgroup.freeze"


@contextmanager
def _frozen(container: str) -> Iterator[None]:
    """Freeze a container, behind Incus's back, while the block runs."""
    freezer = Path(_CGROUPS.format(container))
    freezer.write_text("1")
    try:
        yield
    finally:
        freezer.write_text("0")


@contextmanager
def _mounted_over(container: str, directory: str) -> Iterator[None]:
    """Mount a file system that never answers in a container: FUSE, without its server's hello."""
    [state] = json.loads(incus("list", "--format", "json", f"^{container}$"))
    init = os.pidfd_open(state["state"]["pid"])
    server = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={server},rootmode=40000,user_id=0,group_id=0,allow_other"
    libc = ctypes.CDLL(None)
    child = os.fork()
    if child == 0:
        failed = libc.setns(init, _CLONE_NEWNS) or libc.mount(
            b"hangs", directory.encode(), b"fuse", 0, options.encode()
        )
        os._exit(failed & 1)
    assert os.waitpid(child, 0)[1] == 0
    try:
        yield
    finally:
        os.close(server)
        incus("exec", container, "--", "umount", "--lazy", directory)


def _sleepers(container: str) -> str:
    return incus("exec", container, "--", "pgrep", "-a", "-x", "sleep", check=False)


def _session_processes() -> set[str]:
    found = subprocess.run(["pgrep", "-f", "kapsule-session"], capture_output=True, text=True)
    return set(found.stdout.split())


def test_a_client_that_leaves_before_its_session_begins(alice: User, container: str) -> None:
    """The session does not begin later, when the container goes on, and no process waits for it."""
    assert alice.kapsule("enter", container, "--", "true").code == 0
    before = _session_processes()
    with _frozen(container):
        result = alice.run("timeout", "2", "kapsule", "enter", container, "--", "sleep", "7717")
        assert result.code == 124
    deadline = time.monotonic() + 20
    while _session_processes() - before:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert "7717" not in _sleepers(container)


def test_a_guest_that_holds_a_session_up(alice: User, container: str) -> None:
    """One is told when the container does not answer, instead of waiting for ever."""
    assert alice.kapsule("enter", container, "--", "true").code == 0
    with _frozen(container):
        result = alice.kapsule("enter", container, "--", "true", timeout=100)
    assert result.code == 125
    assert "does not answer" in result.error


def test_a_file_system_that_never_answers(alice: User, container: str) -> None:
    """Mounted where sockets of the host go, it keeps one out, but not waiting; root gets in."""
    assert alice.kapsule("enter", container, "--", "true").code == 0
    with _mounted_over(container, f"/run/user/{alice.account.pw_uid}"), _socket_of(alice):
        result = alice.kapsule("enter", container, "--", "true", timeout=60)
        assert result.code == 125
        assert "may hang" in result.error
        assert alice.kapsule("enter", "--root", container, "--", "true").code == 0


@contextmanager
def _socket_of(user: User) -> Iterator[None]:
    """Have something to share: a socket in their runtime directory."""
    directory = Path(f"/run/user/{user.account.pw_uid}")
    was_there = directory.exists()
    directory.mkdir(exist_ok=True)
    path = directory / "pipewire-0"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        os.chown(path, user.account.pw_uid, user.account.pw_gid)
        os.chown(directory, user.account.pw_uid, user.account.pw_gid)
        yield
    path.unlink()
    if not was_there:
        directory.rmdir()


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize(
    "opened", ["'/', os.O_RDONLY", "'/', os.O_PATH", "'/etc/shadow', os.O_PATH"]
)
def test_what_is_no_standard_stream(alice: User, container: str, number: int, opened: str) -> None:
    """From a directory the guest could walk through the host; O_PATH needs no right to read."""
    result = _enter_with(alice, container, opened, number)
    assert "no directories" in result.error
    assert _enter_with(alice, container, "'/dev/null', os.O_RDWR", number).code == 0


def _enter_with(user: User, container: str, opened: str, number: int) -> Result:
    """Call Enter with a descriptor in place of one of 0, 1, 2."""
    script = f"""
import os
from kapsule.client.bus import Bus
stdio = [0, 1, 2]
stdio[{number}] = os.open({opened})
with Bus() as bus:
    bus.enter({container!r}, ["true"], "/", {{}}, stdio=stdio, terminal=[], rows=0, columns=0)
"""
    return user.run(sys.executable, "-c", script, env={"PYTHONPATH": ":".join(sys.path)})


def test_an_ignored_hangup_stays_ignored(alice: User, container: str) -> None:
    """`nohup kapsule enter` goes on when its terminal is closed."""
    script = (
        f"mkfifo begun; trap '' HUP; kapsule enter {shlex.quote(container)} -- "
        "sh -c 'echo > begun; sleep 1; echo on' & "
        "read _ < begun; rm begun; kill -HUP $!; wait $!"
    )
    result = alice.run("sh", "-c", script)
    assert (result.text, result.code) == ("on", 0)


def test_a_container_that_stops_at_any_moment(alice: User, fresh_name: str) -> None:
    """Whatever was going on, the error is one for people."""
    assert alice.kapsule("create", fresh_name, "--image", "local:debian").code == 0
    loop = f"for i in $(seq 40); do kapsule enter {fresh_name} -- true || exit 0; done"
    words = ("sh", "-c", f"{{ {loop}; }} & {{ {loop}; }} & {{ {loop}; }} & wait")
    for _ in range(4):
        assert alice.kapsule("enter", fresh_name, "--", "true").code == 0
        with alice.popen(*words, stderr=subprocess.PIPE) as clients:
            time.sleep(0.5)
            incus("stop", "--force", fresh_name)
            errors = clients.communicate(timeout=100)[1].decode()
        assert "Errno" not in errors


def test_who_connects_to_the_helper_and_leaves(alice: User, container: str) -> None:
    """As a daemon does that is killed: that is no bug of the helper's, and it goes on."""
    with traces.sound_daemon():
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel:
            channel.connect(SESSION_SOCKET)
        assert alice.kapsule("enter", container, "--", "echo", "in").text == "in"
