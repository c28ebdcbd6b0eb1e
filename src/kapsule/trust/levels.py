# SPDX-License-Identifier: GPL-3.0-or-later
"""What a level of trust makes of a container's options, and whether that opens it. Pure."""

from collections.abc import Mapping

from kapsule.errors import InvalidArgument
from kapsule.options.schema import OptionValue
from kapsule.options.table import BRIDGE, CREATE_OPTIONS, HOST_NETWORK, NO_NETWORK

Options = Mapping[str, OptionValue]

# The least open first.
_NETWORKS = (NO_NETWORK, BRIDGE, HOST_NETWORK)
_DOORS = ("privileged", "host_rootfs", "mount_home", "desktop", "x11", "gpu")


def options_at(level: str, options: Options) -> dict[str, OptionValue]:
    """Return a container's options at another level of trust.

    options: a value for every option of the table. What the level says of an option counts, but
    the folders that were shared by name stay: they are a choice of their own at every level.
    Raises InvalidArgument for a level that does not exist.
    """
    names = [preset.name for preset in CREATE_OPTIONS.presets]
    if level not in names:
        raise InvalidArgument(
            f"There is no level of trust {level!r:.60}", hint="There are: " + ", ".join(names)
        )
    values = CREATE_OPTIONS.preset(level) | {"home": ""}
    return dict(options) | values | {"custom_mounts": options["custom_mounts"], "trust": level}


def opens(before: Options, after: Options) -> bool:
    """Whether something crosses the border after a change that did not before."""
    doors = any(after[door] and not before[door] for door in _DOORS)
    return doors or _openness(after) > _openness(before)


def takes_authorization(before: Options, after: Options) -> bool:
    """Whether an administrator has to agree to a change.

    Everybody may make isolated containers, and take trust away. What opens a privileged one, or
    makes one of an isolated one, gives its owner the host.
    """
    return bool(after["privileged"]) and opens(before, after)


def _openness(options: Options) -> int:
    network = options["network"]
    return _NETWORKS.index(network) if network in _NETWORKS else len(_NETWORKS)
