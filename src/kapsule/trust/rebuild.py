# SPDX-License-Identifier: GPL-3.0-or-later
"""An existing instance with other options: all of it that is Kapsule's is decided anew. Pure."""

import re
from collections.abc import Iterable, Mapping

from kapsule import names
from kapsule.containers.container import is_isolated
from kapsule.containers.custom_mounts import CUSTOM_MOUNT, HOME
from kapsule.containers.stored_options import key_of
from kapsule.create import device_names
from kapsule.create.folders import sources_to_store
from kapsule.create.instance_config import RAW_LXC, build_config, build_devices, keys_to_store
from kapsule.create.mounts import Mount
from kapsule.host.facts import HostFacts
from kapsule.host.users import HostUser
from kapsule.incus.types import InstanceUpdate
from kapsule.options.schema import OptionValue
from kapsule.options.table import CREATE_OPTIONS

_CONFIG = frozenset(
    {
        *("security.privileged", "security.nesting", "security.guestapi"),
        "security.syscalls.deny",
        *("security.idmap.isolated", "security.idmap.size", "raw.idmap", RAW_LXC),
        *(key_of(option.key) for option in CREATE_OPTIONS.options),
        names.KEY_SOURCES,
    }
)
_DEVICES = frozenset({device_names.GPU, device_names.HOST_ROOTFS, device_names.NETWORK})
_DIRECTORIES = (CUSTOM_MOUNT, HOME)
# Accounts are set up anew: another home, other services.
_MAPPED = re.compile(re.escape(names.key_mapped(0)).replace("0", r"\d+") + r"\Z")


def rebuilt(
    current: InstanceUpdate,
    options: Mapping[str, OptionValue],
    owner: HostUser,
    facts: HostFacts,
    home: Mount | None,
    mounts: Iterable[Mount],
    network: str,
) -> InstanceUpdate:
    """Return the instance as if it had been created with these options.

    current: as it is. What others put there stays: devices, limits, profiles. options: a value
    for every option of the table. The rest is as for build_config() and build_devices().
    """
    shared = tuple(mounts)
    pool = current.devices.get(device_names.ROOT, {}).get("pool", "")
    stored = keys_to_store(options, owner) | {names.KEY_SETUP_STATE: names.SETUP_DONE}
    config = {key: value for key, value in current.config.items() if not _is_our_key(key)}
    devices = {name: device for name, device in current.devices.items() if not _is_our_device(name)}
    wanted = build_devices(options, owner, facts, pool, home, shared)
    if device_names.ROOT in devices:  # it may have been given a size
        del wanted[device_names.ROOT]
    config |= build_config(options, owner, network) | stored
    if is_isolated(config):
        config |= sources_to_store((*shared, *filter(None, [home])), config)
    return current.changed(config, {**devices, **wanted})


def _is_our_key(key: str) -> bool:
    return key in _CONFIG or bool(_MAPPED.match(key))


def _is_our_device(name: str) -> bool:
    return name in _DEVICES or name.startswith(_DIRECTORIES)
