# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container is for another owner. Pure."""

from collections.abc import Mapping

from kapsule import names
from kapsule.containers.container import is_isolated
from kapsule.containers.custom_mounts import CUSTOM_MOUNT, HOME, stored_mounts
from kapsule.create.device_names import GPU
from kapsule.create.isolation import isolate
from kapsule.host.users import HostUser
from kapsule.incus.types import Config, Devices, InstanceUpdate

RAW_IDMAP = "raw.idmap"

# Where each directory was opened with the rights of the owner who is leaving.
_SHARED = (CUSTOM_MOUNT, HOME)
_OF_THE_OWNER = (names.KEY_HOME, names.KEY_CUSTOM_MOUNTS, names.KEY_SOURCES)


def given_to(current: InstanceUpdate, owner: HostUser) -> InstanceUpdate:
    """Return a container as it is when it belongs to another user.

    What the old owner shared with it is not shared any more: neither may the new one see it, nor
    has the new one agreed to share anything. Everything else stays. owner: the new one; where it
    is theirs already, nothing changes.
    """
    if current.config.get(names.KEY_OWNER) == str(owner.uid):
        return current
    return current.changed(_config(current.config, owner), _devices(current.devices, owner))


def lost(current: InstanceUpdate) -> list[str]:
    """Return the directories of the host that are shared no longer, as they were written."""
    config = current.config
    home = [config[names.KEY_HOME]] if names.KEY_HOME in config else []
    mounts_home = config.get(names.KEY_MOUNT_HOME) == "true"
    return [*(home or (["the home directory"] if mounts_home else [])), *stored_mounts(config)]


def _config(config: Config, owner: HostUser) -> dict[str, str]:
    old = config.get(names.KEY_OWNER, "")
    left_out = {*_OF_THE_OWNER, names.key_mapped(old)}
    kept = {key: value for key, value in config.items() if key not in left_out}
    changed = {names.KEY_OWNER: str(owner.uid)}
    if names.KEY_MOUNT_HOME in kept:
        changed[names.KEY_MOUNT_HOME] = "false"
    # In a user namespace, the owner's ids are the same as outside.
    kept.pop(RAW_IDMAP, None)
    if is_isolated(config) and RAW_IDMAP in (isolated := isolate(owner)):
        changed[RAW_IDMAP] = isolated[RAW_IDMAP]
    return kept | changed


def _devices(devices: Devices, owner: HostUser) -> dict[str, Mapping[str, str]]:
    kept = {name: device for name, device in devices.items() if not name.startswith(_SHARED)}
    if GPU in kept:
        kept[GPU] = {**kept[GPU], "uid": str(owner.uid)}
    return kept
