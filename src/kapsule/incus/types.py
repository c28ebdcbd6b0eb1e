# SPDX-License-Identifier: GPL-3.0-or-later
"""Incus's objects on the wire, with only the fields that we read or write.

A field that Incus leaves out, or sends as null, has its default; one that is not named here is
passed over. Field names and meanings are those of Incus's REST API reference.
"""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

Config = Mapping[str, str]
Devices = Mapping[str, Mapping[str, str]]


class Instance(Struct, frozen=True, kw_only=True):
    """A container or a virtual machine. config and devices are its own, without the profiles'."""

    name: str
    status: str = "Unknown"
    type: str = "container"
    config: Config = {}
    devices: Devices = {}
    expanded_devices: Devices = {}
    profiles: tuple[str, ...] = ()
    created_at: datetime | None = None


class InstanceState(Struct, frozen=True, kw_only=True):
    """What an instance is doing. pid: its init as the host sees it, 0 when it does not run."""

    status: str = "Unknown"
    pid: int = 0


class InstanceUpdate(Struct, frozen=True, kw_only=True):
    """All that can be written of an existing instance; a PUT replaces the whole of it."""

    architecture: str = ""
    config: Config = {}
    devices: Devices = {}
    ephemeral: bool = False
    profiles: tuple[str, ...] = ()
    stateful: bool = False
    description: str = ""

    def changed(self, config: Config, devices: Devices) -> "InstanceUpdate":
        """Return the same with another configuration and other devices."""
        return replace(self, config=config, devices=devices)


class ImageSource(
    Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="image"
):
    """Where an image comes from: the local store by fingerprint or alias, else a server.

    server: its URL; protocol: `simplestreams` or `incus`; mode: `pull` when there is a server.
    """

    fingerprint: str = ""
    alias: str = ""
    server: str = ""
    protocol: str = ""
    mode: str = ""
    image_type: str = ""


class InstanceRequest(Struct, frozen=True, kw_only=True):
    """A new instance. profiles: none by default, not even `default`. start: start it at once."""

    name: str
    source: ImageSource
    type: str = "container"
    config: Config = {}
    devices: Devices = {}
    profiles: tuple[str, ...] = ()
    start: bool = False


class ImageAlias(Struct, frozen=True, kw_only=True):
    """A name for an image. target: the fingerprint; empty where the alias hangs on its image."""

    name: str
    target: str = ""


class UpdateSource(Struct, frozen=True, kw_only=True):
    """Where an image was fetched from."""

    server: str = ""
    alias: str = ""
    protocol: str = ""


class Image(Struct, frozen=True, kw_only=True):
    """An image in Incus's store.

    size: bytes. public: whether Incus gives it to everybody.
    """

    fingerprint: str
    aliases: tuple[ImageAlias, ...] = ()
    properties: Mapping[str, str] = {}
    size: int = 0
    type: str = "container"
    architecture: str = ""
    public: bool = False
    update_source: UpdateSource | None = None
    uploaded_at: datetime | None = None


class Operation(Struct, frozen=True, kw_only=True):
    """Work that Incus does in the background. err: its words when it failed."""

    id: str
    status: str = ""
    status_code: int = 0
    description: str = ""
    err: str = ""
    metadata: Mapping[str, object] = {}


class EventMetadata(Struct, frozen=True, kw_only=True):
    """What a lifecycle event is about; events of other types leave all of it empty.

    action: such as `instance-started`. source: the path of the object. name: its name.
    """

    action: str = ""
    source: str = ""
    name: str = ""
    project: str = ""
    context: Mapping[str, object] = {}


class Event(Struct, frozen=True, kw_only=True):
    """One message of Incus's event stream."""

    type: str
    metadata: EventMetadata = EventMetadata()


class ServerEnvironment(Struct, frozen=True, kw_only=True):
    """Facts about the server. kernel_architecture: as in images, such as `x86_64`."""

    server_version: str = ""
    kernel_architecture: str = ""


class Server(Struct, frozen=True, kw_only=True):
    """The server itself."""

    environment: ServerEnvironment = ServerEnvironment()
    config: Config = {}


class StoragePool(Struct, frozen=True, kw_only=True):
    """A storage pool."""

    name: str
    config: Config = {}


class Profile(Struct, frozen=True, kw_only=True):
    """A profile."""

    name: str
    config: Config = {}
    devices: Devices = {}


class Network(Struct, frozen=True, kw_only=True):
    """A network. managed: whether Incus made it and looks after it."""

    name: str
    type: str = ""
    managed: bool = False
    config: Config = {}
