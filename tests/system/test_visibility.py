# SPDX-License-Identifier: GPL-3.0-or-later
"""What is others' does not exist (A1, A8, A20)."""

import json
from typing import Any

import pytest
from jeepney import DBusAddress, MatchRule, message_bus, new_method_call  # type: ignore[import-untyped]
from jeepney.io.blocking import Proxy, open_dbus_connection  # type: ignore[import-untyped]

from kapsule import names
from kapsule.client.operation import Operation
from kapsule.errors import InvalidArgument, KapsuleError, NotAuthorized
from tests.system.support.box import refused
from tests.system.support.bus import acting_as, connect, status
from tests.system.support.polkit import allowed
from tests.system.support.users import User, incus

MISSING = "nobody-has-this"
# Every method that names a container, with what else it takes.
METHODS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "GetContainerInfo": ("s", ()),
    "Describe": ("s", ()),
    "IsUserSetup": ("su", (1000,)),
    "StartContainer": ("s", ()),
    "StopContainer": ("sb", (True,)),
    "RestartContainer": ("sb", (True,)),
    "DeleteContainer": ("sb", (True,)),
    "AddMount": ("ss", ("/srv",)),
    "RemoveMount": ("ss", ("/srv",)),
    "SetupUser": ("suuss", (1001, 1001, "bob", "/home/bob")),
    "ChangeOwner": ("su", (1001,)),
    "ChangeTrust": ("ssb", ("full", True)),
    "DescribeTrust": ("s", ()),
    "PrepareEnter": ("sass", ([], "/")),
    "Enter": ("sassa{ss}aha{sv}", (["true"], "/", {}, [], {})),
}


@pytest.mark.main
@pytest.mark.parametrize("member", METHODS)
def test_no_method_tells(bob: User, container: str, traceless: str, member: str) -> None:
    """A container of alice's and a name that nobody has give bob one and the same answer."""
    signature, rest = METHODS[member]
    before = incus("query", f"/1.0/instances/{container}")

    def answer(name: str) -> str:
        with connect(bob) as bus:
            try:
                result = bus.call(member, signature, (name, *rest))
                if str(result[0]).startswith(names.OPERATIONS_PATH):
                    for _ in Operation(bus, lambda: str(result[0])):
                        pass
            except KapsuleError as error:
                return f"{type(error)}: {error.to_text()}".replace(name, "NAME")
            return str(result).replace(name, "NAME")

    hidden, missing = answer(container), answer(MISSING)
    assert hidden == missing
    assert "does not exist" in missing or missing == "(False,)"
    assert incus("query", f"/1.0/instances/{container}") == before


@pytest.mark.main
def test_lists_are_ones_own(bob: User, root: User, alice: User, container: str) -> None:
    """bob has none, alice hers, root all; with authorization bob sees whose each is."""
    assert bob.kapsule("list", "--names").text == ""
    assert container in alice.kapsule("list", "--names").text.split()
    assert container in root.kapsule("list", "--names").text.split()
    with allowed(bob, "manage-others"):
        rows = json.loads(bob.kapsule("list", "--all-users", "--json").text)
        assert ("alice", 1000) in {(row["owner"], row["uid"]) for row in rows}
        described = json.loads(bob.kapsule("info", container, "--json").text)
        assert described["owner"] == 1000
        refused(bob.kapsule("enter", container), f"'{container}' does not exist", code=125)


def test_who_may_manage_others(bob: User, small: str) -> None:
    """They stop, start and remove; to share directories of theirs is the owner's alone."""
    with allowed(bob, "manage-others"):
        for words in (("stop", "--force"), ("start",), ("restart", "--force")):
            result = bob.kapsule(*words, small)
            assert result.code == 0, result.error
        refused(bob.kapsule("mount", small, "/home/bob"), "does not exist")
        assert bob.kapsule("rm", "--force", small).code == 0
    assert status(small) is None


@pytest.mark.main
def test_operations_are_hidden(alice: User, bob: User, container: str) -> None:
    """bob neither hears of one of alice's, nor finds it, nor reads it, nor cancels it."""
    with acting_as(bob):
        spy = open_dbus_connection("SYSTEM")
    for rule in (
        MatchRule(type="signal", path_namespace="/org/kde/kapsule"),
        MatchRule(type="signal", interface=names.OPERATION_INTERFACE),
        MatchRule(type="signal", interface="org.freedesktop.DBus.ObjectManager"),
    ):
        Proxy(message_bus, spy).AddMatch(rule)

    def ask(path: str, interface: str, member: str, signature: str = "", *body: Any) -> Any:
        address = DBusAddress(path, names.BUS_NAME, interface)
        call = new_method_call(address, member, signature or None, body)
        return spy.send_and_get_reply(call).body[0]

    with connect(alice) as bus:
        path = bus.start_container(container)
        last = path.rpartition("/")[2]
        assert ask(names.MANAGER_PATH, names.MANAGER_INTERFACE, "ListOperations") == []
        for parent in ("/", names.MANAGER_PATH, names.OPERATIONS_PATH):
            peek = ask(parent, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")
            assert path not in peek
            assert last not in ask(parent, "org.freedesktop.DBus.Introspectable", "Introspect")
        interface = names.OPERATION_INTERFACE
        properties = "org.freedesktop.DBus.Properties"
        no_object = f"There is no object {path}"
        assert ask(path, properties, "GetAll", "s", interface) == no_object
        assert ask(path, properties, "Get", "ss", interface, "Target") == no_object
        assert ask(path, interface, "Cancel") == no_object
        for _ in Operation(bus, lambda: path):
            pass
        assert ask(path, properties, "GetAll", "s", interface) == no_object
    while True:
        try:
            signal = spy.receive(timeout=0.2)
        except TimeoutError:
            break
        fields = signal.header.fields
        assert fields.get(2) != names.OPERATION_INTERFACE
        assert path not in str(fields)
    spy.close()


def test_images_of_administrators(bob: User, alice: User, fresh_name: str) -> None:
    """bob neither sees nor uses an image that Incus gives to nobody; alice does (A20)."""
    fingerprint = json.loads(incus("query", "/1.0/images/aliases/noshell"))["target"]
    image = f"/1.0/images/{fingerprint}"
    create = ("create", fresh_name, "--image")
    with allowed(bob, "create-privileged"):
        missing = bob.kapsule(*create, "local:nowhere").error
        incus("query", "--request", "PATCH", "--data", '{"public": false}', image)
        try:
            assert "noshell" not in bob.kapsule("image", "list").text
            assert "noshell" in alice.kapsule("image", "list").text
            hidden = bob.kapsule(*create, "local:noshell").error
            assert hidden.replace("noshell", "nowhere") == missing
            assert "There is no local image" in hidden
        finally:
            incus("query", "--request", "PATCH", "--data", '{"public": true}', image)
        assert "noshell" in bob.kapsule("image", "list").text


def test_accounts_of_others(alice: User, bob: User, container: str) -> None:
    """Nobody is set up in a container by somebody else, as whoever it may be (A8)."""
    not_yours, not_true = "your own account", "another one on this machine"
    for account, refusal, reason in (
        ((1000, 1000, "alice", "/home/alice"), NotAuthorized, not_yours),
        ((0, 0, "root", "/root"), NotAuthorized, not_yours),
        ((1001, 1001, "bob", "/root"), InvalidArgument, not_true),
        ((1001, 1001, "-o", "/home/bob"), InvalidArgument, not_true),
    ):
        with connect(bob) as bus, pytest.raises(refusal, match=reason):
            bus.call("SetupUser", "suuss", (container, *account))
    assert "user.kapsule.host-users.1001" not in incus("query", f"/1.0/instances/{container}")
