# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be called, as introspection tells: a new method is called without an edit here."""

from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

MANAGER = "org.kde.kapsule.Manager"
OPERATION = "org.kde.kapsule.Operation"
MANAGER_PATH = "/org/kde/kapsule"

_STANDARD = "org.freedesktop.DBus."


@dataclass(frozen=True, slots=True)
class Method:
    """A method. arguments: of each its name and its type."""

    interface: str
    name: str
    arguments: tuple[tuple[str, str], ...]

    @property
    def signature(self) -> str:
        """Of what goes in."""
        return "".join(kind for _, kind in self.arguments)


# What every object answers, and the call of ObjectManager: the specification has them.
STANDARD = (
    Method(_STANDARD + "Peer", "Ping", ()),
    Method(_STANDARD + "Peer", "GetMachineId", ()),
    Method(_STANDARD + "Introspectable", "Introspect", ()),
    Method(_STANDARD + "ObjectManager", "GetManagedObjects", ()),
    Method(_STANDARD + "Properties", "Get", (("interface", "s"), ("property", "s"))),
    Method(_STANDARD + "Properties", "GetAll", (("interface", "s"),)),
    Method(_STANDARD + "Properties", "Set", (("interface", "s"), ("property", "s"), ("x", "v"))),
)


def methods(xml: str) -> list[Method]:
    """Return the methods of our own interfaces in introspection data."""
    return list(_methods(ElementTree.fromstring(xml)))


def _methods(node: ElementTree.Element) -> Iterator[Method]:
    for interface in node.iter("interface"):
        name = interface.get("name", "")
        if not name.startswith("org.kde.kapsule."):
            continue
        for method in interface.iter("method"):
            arguments = [
                (argument.get("name", ""), argument.get("type", ""))
                for argument in method.iter("arg")
                if argument.get("direction", "in") == "in"
            ]
            yield Method(name, method.get("name", ""), tuple(arguments))
