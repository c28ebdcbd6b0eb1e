# SPDX-License-Identifier: GPL-3.0-or-later
"""The shapes of what goes over the Manager interface."""

from collections.abc import Mapping
from typing import Annotated

from dbus_fast import Message, MessageType
from dbus_fast.annotations import DBusSignature
from dbus_fast.signature import get_signature_tree

from kapsule import names

Strings = Annotated[list[str], DBusSignature("as")]
Paths = Annotated[list[str], DBusSignature("ao")]
StringMap = Annotated[dict[str, str], DBusSignature("a{ss}")]
Descriptors = Annotated[list[int | None], DBusSignature("ah")]
ContainerStruct = Annotated[list[str], DBusSignature("(sssss)")]
ContainerStructs = Annotated[list[list[str]], DBusSignature("a(sssss)")]
OwnedContainerStructs = Annotated[list[list[object]], DBusSignature("a(ssssssu)")]
PreparedEnter = Annotated[list[object], DBusSignature("(bsas)")]
Session = Annotated[list[object], DBusSignature("hahass")]

# What the results of each method are called.
RESULTS: Mapping[str, tuple[str, ...]] = {
    "ListOperations": ("operations",),
    "GetCreateSchema": ("schema",),
    "CreateContainer": ("operation",),
    "DeleteContainer": ("operation",),
    "StartContainer": ("operation",),
    "StopContainer": ("operation",),
    "RestartContainer": ("operation",),
    "AddMount": ("operation",),
    "RemoveMount": ("operation",),
    "RefreshImages": ("operation",),
    "ImportImage": ("operation",),
    "ListImages": ("images",),
    "DeleteImage": ("operation",),
    "SetupUser": ("operation",),
    "ChangeOwner": ("operation",),
    "ChangeTrust": ("operation",),
    "DescribeTrust": ("report",),
    "IsUserSetup": ("is_set_up",),
    "ListContainers": ("containers",),
    "ListAllContainers": ("containers",),
    "GetContainerInfo": ("container",),
    "Describe": ("description",),
    "GetConfig": ("config",),
    "PrepareEnter": ("prepared",),
    "Enter": ("control", "terminal", "notes", "name"),
}


_ENTER_SIGNATURE = "sassa{ss}aha{sv}"


def takes_descriptors(message: Message) -> bool:
    """Say whether a message is a call of the one method that wants file descriptors."""
    return (
        message.message_type is MessageType.METHOD_CALL
        and message.path == names.MANAGER_PATH
        and message.interface in (names.MANAGER_INTERFACE, None)
        and message.member == "Enter"
        and message.signature == _ENTER_SIGNATURE
    )


def modernize(message: Message) -> None:
    """Give a PrepareEnter of the year 2025, without working directory, the signature of today."""
    is_old = (message.interface, message.member, message.signature) == (
        names.MANAGER_INTERFACE,
        "PrepareEnter",
        "sas",
    )
    if is_old:
        message.body.append("")
        message.signature_tree = get_signature_tree("sass")
        message.signature = "sass"
