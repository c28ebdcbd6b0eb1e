# SPDX-License-Identifier: GPL-3.0-or-later
"""Callers that speak to the bus themselves: what makes no sense, and what is not theirs to do."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kapsule.client.bus import Bus
from kapsule.errors import InvalidArgument, KapsuleError, NotAuthorized
from tests.system.support.box import configured, refused
from tests.system.support.bus import carry_out, connect, enter
from tests.system.support.users import User, incus


@pytest.fixture
def bus(alice: User) -> Iterator[Bus]:
    """A connection of alice's."""
    with connect(alice) as bus:
        yield bus


# --- the bus interface


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"options": {"nope": ("b", True)}}, "Enter has no option 'nope'"),
        ({"options": {"root": ("s", "yes")}}, "Enter has no option 'root' with the value 'yes'"),
        ({"options": {"rows": ("b", True)}}, "Enter has no option 'rows'"),
        ({"options": {"rows": ("i", -1)}}, "rows cannot be -1"),
        ({"options": {"columns": ("u", 65536)}}, "columns cannot be 65536"),
        ({"options": {"terminal": ("au", [3])}}, "terminal must be some of 0, 1 and 2"),
        ({"options": {"terminal": ("au", [1, 0])}, "stdio": 1}, "ascending"),
        ({"options": {"terminal": ("au", [0, 0])}, "stdio": 1}, "ascending"),
        ({"options": {"terminal": ("as", ["0"])}, "stdio": 2}, "terminal must be"),
        ({"stdio": 0}, "There must be a descriptor for each"),
        ({"stdio": 2}, "There must be a descriptor for each"),
        ({"stdio": 4}, "There must be a descriptor for each"),
        ({"stdio": 16}, "There must be a descriptor for each"),
        ({"cwd": "relative"}, "working directory must be absolute"),
        ({"environment": {"": "x"}}, "cannot be the name of a variable"),
        ({"environment": {"A=B": "x"}}, "cannot be the name of a variable"),
    ],
)
def test_enters_that_make_no_sense(
    bus: Bus, container: str, traceless: str, arguments: dict[str, Any], reason: str
) -> None:
    """A caller that speaks to the bus itself is refused what the command would never send."""
    with pytest.raises(InvalidArgument, match=reason):
        enter(bus, container, **arguments)


def test_a_terminal_of_the_host_stays_outside(bus: Bus, container: str) -> None:
    """A container that had one could type on it: ioctl_tty(2), TIOCSTI."""
    master, slave = os.openpty()
    body: tuple[Any, ...] = (container, ["true"], "/", {}, [slave, slave, slave], {})
    with pytest.raises(KapsuleError, match="terminal of the host cannot be handed"):
        bus.call("Enter", "sassa{ss}aha{sv}", body)
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize(
    ("member", "signature", "body"),
    [
        ("CreateContainer", "ss", ("a", "b")),
        ("CreateContainer", "ssa{ss}", ("a", "b", {"gpu": "true"})),
        ("DeleteContainer", "s", ("a",)),
        ("StopContainer", "ss", ("a", "b")),
        ("ListContainers", "s", ("a",)),
        ("SetupUser", "siiss", ("a", 1000, 1000, "alice", "/home/alice")),
        ("PrepareEnter", "sas", ("a", [])),
        ("PrepareEnter", "s", ("a",)),
        ("Enter", "sas", ("a", [])),
        ("Enter", "sassa{ss}ahas", ("a", [], "/", {}, [], [])),
        ("NoSuchMethod", "", ()),
    ],
)
def test_wrong_signatures(
    bus: Bus, traceless: str, member: str, signature: str, body: tuple[Any, ...]
) -> None:
    """A call of another shape is an error, but for the one that PrepareEnter had in its youth."""
    if (member, signature) == ("PrepareEnter", "sas"):
        ((ok, reason, argv),) = bus.call(member, signature, body)
        assert (ok, argv) == (False, [])
        assert "does not exist" in reason
        return
    with pytest.raises(KapsuleError):
        bus.call(member, signature, body)


def test_descriptors_where_none_belong(alice: User, traceless: str) -> None:
    """They are closed, whatever the call and its outcome are: none is left open in the daemon."""
    with open(os.devnull, "r+b") as null, connect(alice) as bus:
        for _ in range(20):
            with pytest.raises(KapsuleError):
                bus.call("StartContainer", "ah", ([null.fileno()] * 10,))
            with pytest.raises(KapsuleError):
                bus.call("Enter", "sassa{ss}ah", ("a", [], "/", {}, [null.fileno()] * 10))
            with pytest.raises(KapsuleError):
                bus.call("Enter", "sassa{ss}aha{sv}", ("a", [], "/", {}, [null.fileno()] * 16, {}))


# --- who may do what


READING: dict[str, tuple[str, tuple[Any, ...]]] = {
    "ListOperations": ("", ()),
    "GetCreateSchema": ("", ()),
    "ListContainers": ("", ()),
    "ListImages": ("", ()),
    "GetConfig": ("", ()),
}
# Of a container of somebody else's: test_visibility.py has what comes back.
HIDDEN: dict[str, tuple[str, tuple[Any, ...]]] = {
    "GetContainerInfo": ("s", ("{}",)),
    "Describe": ("s", ("{}",)),
    "IsUserSetup": ("su", ("{}", 1000)),
    "DeleteContainer": ("sb", ("{}", True)),
    "StartContainer": ("s", ("{}",)),
    "StopContainer": ("sb", ("{}", True)),
    "RestartContainer": ("sb", ("{}", True)),
    "AddMount": ("ss", ("{}", "/srv")),
    "RemoveMount": ("ss", ("{}", "/srv")),
    "SetupUser": ("suuss", ("{}", 1001, 1001, "bob", "/home/bob")),
    "ChangeOwner": ("su", ("{}", 1001)),
    "ChangeTrust": ("ssb", ("{}", "full", True)),
    "DescribeTrust": ("s", ("{}",)),
    "PrepareEnter": ("sass", ("{}", ["id"], "/")),
    "Enter": ("sassa{ss}aha{sv}", ("{}", ["id"], "/", {}, [], {})),
}
AUTHORIZED: dict[str, tuple[str, tuple[Any, ...]]] = {
    "CreateContainer": ("ssa{sv}", ("{}-of-bob", "local:busybox", {})),
    "ListAllContainers": ("", ()),
    "RefreshImages": ("s", ("",)),
    "ImportImage": ("ss", ("/root", "x")),
    "DeleteImage": ("s", ("debian",)),
}
# What administrators may not do with containers of others.
ONLY_OWNERS = ("AddMount", "SetupUser", "Enter")


def _filled(body: tuple[Any, ...], container: str) -> tuple[Any, ...]:
    return tuple(each.format(container) if isinstance(each, str) else each for each in body)


def test_what_everybody_may_read(bob: User, container: str) -> None:
    """A user without any right may ask for what is theirs: no container, no operation."""
    with connect(bob) as bus:
        for member, (signature, body) in READING.items():
            assert bus.call(member, signature, body) is not None
        assert bus.list_containers() == []
    assert container not in bob.kapsule("list").text


def test_what_only_some_may_do(bob: User, container: str, traceless: str) -> None:
    """The same user is refused everything else, with the reason; nothing happens."""
    instance = incus("query", f"/1.0/instances/{container}")
    with connect(bob) as bus:
        for member, (signature, body) in AUTHORIZED.items():
            with pytest.raises(NotAuthorized, match="User 'bob' may not") as raised:
                bus.call(member, signature, _filled(body, container))
            assert "org.kde.kapsule." in raised.value.hint
            assert "admin_group" in raised.value.hint
        ((ok, reason, argv),) = bus.call("PrepareEnter", "sass", (container, [], ""))
        assert (ok, argv) == (False, [])
        assert "does not exist" in reason
    for verb in ("start", "stop", "restart", "rm"):
        refused(bob.kapsule(verb, container), f"Container '{container}' does not exist")
    refused(bob.kapsule("enter"), "User 'bob' may not create a container", code=125)
    assert incus("query", f"/1.0/instances/{container}") == instance


def test_every_method_is_in_one_of_the_lists(bob: User) -> None:
    """A method that comes later must say who may call it."""
    words = ("busctl", "introspect", "org.kde.kapsule", "/org/kde/kapsule", "--no-legend")
    lines = bob.run(*words, "org.kde.kapsule.Manager").text.splitlines()
    methods = {line.split()[0].lstrip(".") for line in lines if line.split()[1] == "method"}
    assert methods == {*READING, *HIDDEN, *AUTHORIZED}


def test_another_administrator(bob: User, container: str) -> None:
    """They manage containers of others, but neither enter them nor share anything with them."""
    subprocess.run(["gpasswd", "-a", "bob", "incus-admin"], check=True, capture_output=True)
    try:
        with connect(bob) as bus:
            for member in ONLY_OWNERS:
                signature, body = HIDDEN[member]
                with pytest.raises(NotAuthorized, match="belongs to another user"):
                    bus.call(member, signature, _filled(body, container))
            assert bus.get_container_info(container).name == container
            carry_out(bus, "StartContainer", "s", container)
        refused(bob.kapsule("enter", container), "belongs to another user", code=125)
    finally:
        subprocess.run(["gpasswd", "-d", "bob", "incus-admin"], check=True, capture_output=True)


def test_the_session_helper_is_for_the_daemon_alone(alice: User) -> None:
    """Not even an administrator speaks to it: whoever does can be anybody in any container."""
    script = (
        "import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); "
        "s.connect('/run/kapsule/session.socket')"
    )
    assert "PermissionError" in alice.run("python3", "-c", script).error
    assert alice.run("ls", "/run/kapsule/runs").code != 0


def test_nobody_else_can_be_the_daemon(alice: User) -> None:
    """The name on the bus is root's."""
    call = ("org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName", "su")
    result = alice.run("busctl", "call", *call, "org.kde.kapsule", "0")
    assert "Access denied" in result.error
    assert "not allowed to own" in result.error or result.code != 0


# --- configuration files


@pytest.mark.parametrize("target", ["fifo", "/dev/zero", "/root/secret.conf", "directory", "loop"])
def test_a_configuration_file_that_is_none(alice: User, target: str) -> None:
    """It neither holds up the daemon, nor shows anybody what only root may read."""
    secret = Path("/root/secret.conf")
    secret.write_text("[kapsule]\ndefault_container = secret\n")
    secret.chmod(0o600)
    with configured(alice, "") as file:
        file.unlink()
        if target == "fifo":
            alice.run("mkfifo", str(file))
        elif target == "directory":
            file.mkdir()
        else:
            file.symlink_to(file if target == "loop" else target)
        result = alice.kapsule("config", timeout=20)
        assert result.code == 0
        assert "default_container: kapsule\n" in result.out.decode()
    secret.unlink()


@pytest.mark.parametrize(
    "text", ["no ini file", "[kapsule]\ndefault_image = %(x)s%\n", "\xff\xfe\n", "[kapsule\n="]
)
def test_a_configuration_file_with_nonsense(alice: User, text: str) -> None:
    """What cannot be understood is passed over; a percent sign can be understood."""
    with configured(alice, "") as file:
        file.write_bytes(text.encode("latin-1"))
        result = alice.kapsule("config", "default_image")
        assert result.code == 0
        assert result.text == ("%(x)s%" if "%" in text else "images:ubuntu/24.04")


def test_a_default_container_that_cannot_be(alice: User, traceless: str) -> None:
    """An impossible name in the file is an error of config and enter, and of nothing else."""
    with configured(alice, "[kapsule]\ndefault_container = ../x\n"):
        refused(alice.kapsule("config"), "'../x' cannot be the name of a container")
        refused(alice.kapsule("enter"), "'../x' cannot be the name of a container", code=125)
        assert alice.kapsule("list").code == 0
