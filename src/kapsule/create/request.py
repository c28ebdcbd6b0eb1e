# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked for when a container is created, and what the steps find out on the way."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kapsule.containers.backend import Backend
from kapsule.create.mounts import Mount
from kapsule.host.users import HostUser
from kapsule.images.resolve import ImageSource
from kapsule.options.schema import OptionValue
from kapsule.pipeline.progress import Progress


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """A container that somebody wants.

    image: as the caller wrote it, `SERVER:ALIAS`. options: what the caller set, and only that,
    checked against the table. owner: whose container it will be. may_be_privileged: whether who
    asks was authorized to have a privileged one; without it, only an isolated one comes of it.
    is_admin: whether they may use every image.
    """

    name: str
    image: str
    options: Mapping[str, OptionValue]
    owner: HostUser
    may_be_privileged: bool = False
    is_admin: bool = False


@dataclass(slots=True)
class CreateContext:
    """One run: its input, then the results of its steps in the order in which they come.

    source: where the image is. fingerprint: of the image in Incus's store. image_defaults: the
    options that the image itself sets. options: a value for each option of the table.
    server_version: Incus's. config, devices: of the instance. made_directories: those of the host
    that were made for mounts, the outermost of each first. home: what is mounted at the owner's
    home, or None. mounts: the custom mounts.
    pool: the storage pool's name. pool_is_missing: whether it has to be made.
    is_created: whether Incus has made the instance.
    """

    backend: Backend
    request: CreateRequest
    progress: Progress
    source: ImageSource = field(init=False)
    fingerprint: str = ""
    image_defaults: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    server_version: str = ""
    config: dict[str, str] = field(default_factory=dict)
    devices: dict[str, dict[str, str]] = field(default_factory=dict)
    made_directories: list[str] = field(default_factory=list)
    home: Mount | None = None
    mounts: tuple[Mount, ...] = ()
    pool: str = ""
    pool_is_missing: bool = False
    is_created: bool = False
