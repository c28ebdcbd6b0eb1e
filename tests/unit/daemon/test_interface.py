# SPDX-License-Identifier: GPL-3.0-or-later
"""The running daemon's interfaces, the XML files that we ship and what existing clients expect."""

from pathlib import Path
from typing import Any

from dbus_fast import introspection

from kapsule import names

from .client import Client

FILES = Path(__file__).parents[3] / "data" / "dbus" / "interfaces"

# What binds us: name -> (in, out). Clients that none of us writes check these to the letter.
METHODS = {
    "ListOperations": ("", "ao"),
    "GetCreateSchema": ("", "s"),
    "CreateContainer": ("ssa{sv}", "o"),
    "DeleteContainer": ("sb", "o"),
    "StartContainer": ("s", "o"),
    "StopContainer": ("sb", "o"),
    "RefreshImages": ("s", "o"),
    "ImportImage": ("ss", "o"),
    "ListImages": ("", "s"),
    "DeleteImage": ("s", "o"),
    "SetupUser": ("suuss", "o"),
    "IsUserSetup": ("su", "b"),
    "ListContainers": ("", "a(sssss)"),
    "GetContainerInfo": ("s", "(sssss)"),
    "GetConfig": ("", "a{ss}"),
    "PrepareEnter": ("sass", "(bsas)"),
}
SIGNALS = {
    "Message": "isi",
    "ProgressStarted": "ssii",
    "ProgressUpdate": "sid",
    "ProgressTextUpdate": "ss",
    "ProgressCompleted": "sbs",
    "Completed": "bs",
}


async def running(client: Client, path: str, name: str) -> introspection.Interface:
    """Return an interface as the running daemon describes it."""
    xml = await client.call(
        "Introspect", path=path, interface="org.freedesktop.DBus.Introspectable"
    )
    return next(each for each in introspection.Node.parse(xml).interfaces if each.name == name)


def shipped(name: str) -> introspection.Interface:
    """Return an interface as our file describes it."""
    file = "org.kde.kapsule" if name == names.MANAGER_INTERFACE else name
    return introspection.Node.parse((FILES / f"{file}.xml").read_text()).interfaces[0]


def contents(interface: introspection.Interface) -> dict[str, Any]:
    """Return everything that an interface says, in a form that can be compared."""

    def arguments(args: list[introspection.Arg]) -> list[tuple[str | None, object]]:
        return [(arg.name, arg.signature) for arg in args]

    return {
        "methods": {
            each.name: (arguments(each.in_args), arguments(each.out_args))
            for each in interface.methods
        },
        "signals": {each.name: arguments(each.args) for each in interface.signals},
        "properties": {each.name: (each.signature, each.access) for each in interface.properties},
    }


async def test_the_manager_is_what_its_file_says(client: Client) -> None:
    """Members, argument names, types and access are the same, and everything has a name."""
    interface = await running(client, names.MANAGER_PATH, names.MANAGER_INTERFACE)
    assert contents(interface) == contents(shipped(names.MANAGER_INTERFACE))
    for method in interface.methods:
        assert all(arg.name for arg in (*method.in_args, *method.out_args)), method.name


async def test_operations_are_what_their_file_says(client: Client) -> None:
    """Members, argument names, types and access are the same."""
    path = await client.call("StartContainer", "s", "mine")
    interface = await running(client, path, names.OPERATION_INTERFACE)
    assert contents(interface) == contents(shipped(names.OPERATION_INTERFACE))


def test_the_manager_has_every_method_that_existing_clients_know() -> None:
    """No signature of theirs is missing or changed."""
    signatures = {
        each.name: (each.in_signature, each.out_signature)
        for each in shipped(names.MANAGER_INTERFACE).methods
    }
    assert METHODS.items() <= signatures.items()
    assert signatures["Enter"] == ("sassa{ss}aha{sv}", "hahass")


def test_operations_have_every_member_that_existing_clients_know() -> None:
    """Signals have the signatures that Qt filters by, and properties are texts."""
    interface = shipped(names.OPERATION_INTERFACE)
    assert {each.name: each.signature for each in interface.signals} == SIGNALS
    assert {each.signature for each in interface.properties} == {"s"}
    known = {"Id", "Type", "Description", "Target", "Status", "ErrorMessage"}
    assert known <= {each.name for each in interface.properties}


def test_qt_knows_a_type_for_everything() -> None:
    """Each argument of a type that Qt's generator cannot guess is annotated."""
    text = (FILES / "org.kde.kapsule.xml").read_text()
    for qt_type in (
        "QList&lt;Kapsule::Container&gt;",
        '"Kapsule::Container"',
        "Kapsule::EnterResult",
        "QMap&lt;QString,QString&gt;",
        "QVariantMap",
        "QStringList",
    ):
        assert qt_type in text
