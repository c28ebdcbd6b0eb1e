# SPDX-License-Identifier: GPL-3.0-or-later
"""The custom mounts of an existing container. Pure."""

from collections.abc import Mapping

from kapsule import names
from kapsule.containers.custom_mounts import CUSTOM_MOUNT, stored_mounts, with_mounts
from kapsule.create.device_names import home_device
from kapsule.create.folders import without_source
from kapsule.create.mounts import (
    CustomMount,
    Mount,
    clean,
    expand,
    parse_mount,
    plan_custom_mounts,
)
from kapsule.errors import AlreadyExists, InvalidArgument
from kapsule.host.users import HostUser
from kapsule.incus.types import Instance, InstanceUpdate
from kapsule.options.mount_paths import split_access


def text_for(text: str, caller: HostUser, owner: HostUser) -> str:
    """Return what a caller wrote so that it means the same when the owner is asked whose `~` it is.

    Raises InvalidArgument.
    """
    if caller.uid == owner.uid:
        return text
    path, access = split_access(text)
    return expand(path, caller) + access


def check_new(config: Mapping[str, str], text: str, owner: HostUser) -> CustomMount:
    """Return the mount that is to be added to those that a container has.

    Raises AlreadyExists and InvalidArgument when it does not go together with them.
    """
    stored = stored_mounts(config)
    mount = parse_mount(text, owner)
    if any(path_of(each, owner) == mount.path for each in stored):
        raise AlreadyExists(
            f"{mount.path} is shared already",
            hint="To share it in another way, take it out first with `kapsule unmount`",
        )
    mounts_home = config.get(names.KEY_MOUNT_HOME) == "true" or names.KEY_HOME in config
    plan_custom_mounts([*stored, text], owner, mounts_home=mounts_home)
    return mount


def home_of_container(instance: Instance, owner: HostUser) -> Mount | None:
    """Return what is mounted at the owner's home; None where the container has its own."""
    device = instance.devices.get(home_device(owner.name))
    return Mount(device["path"], device["source"]) if device else None


def is_in_home(path: str, owner: HostUser) -> bool:
    """Whether path lies in the owner's home directory."""
    return path.startswith(clean(owner.home) + "/")


def path_of(text: str, owner: HostUser) -> str:
    """Return the path of a stored mount; the text itself where that makes no sense."""
    try:
        return expand(split_access(text)[0], owner)
    except InvalidArgument:
        return text


def without(current: InstanceUpdate, path: str, owner: HostUser) -> InstanceUpdate:
    """Return an instance without its custom mount at path; as it was where it has none."""
    stored = stored_mounts(current.config)
    kept = [text for text in stored if path_of(text, owner) != path]
    devices = {
        name: device
        for name, device in current.devices.items()
        if not (name.startswith(CUSTOM_MOUNT) and device.get("path") == path)
    }
    if len(kept) == len(stored):
        return current.changed(current.config, devices)
    return current.changed(without_source(with_mounts(current.config, kept), path), devices)
