# SPDX-License-Identifier: GPL-3.0-or-later
"""Name servers of containers behind the bridge: it serves names itself, as the host knows them.

Incus's dnsmasq asks whom the host asks, and follows when that changes. The host's own server may be
one that only the host reaches.
"""

from collections.abc import Mapping
from dataclasses import replace

from kapsule import names
from kapsule.containers.container import Container
from kapsule.errors import IncusError
from kapsule.host.settings import HostSettings
from kapsule.incus import networks
from kapsule.incus.client import IncusClient
from kapsule.options.table import BRIDGE

_ADDRESSES = ("ipv4.address", "ipv6.address")


async def settings_behind_bridge(
    incus: IncusClient, container: Container, settings: HostSettings
) -> HostSettings:
    """Return the settings for a container: with the bridge's name server where it is behind it."""
    if container.config.get(names.KEY_NETWORK) != BRIDGE:
        return settings
    try:
        network = await networks.get_network(incus, names.BRIDGE)
    except IncusError:  # then the host's own server is better than none
        return settings
    return replace(settings, upstream=resolv_conf(network.config) or settings.upstream)


def resolv_conf(config: Mapping[str, str]) -> str:
    """Return the resolv.conf(5) that names the bridge. config: of the network in Incus. Pure."""
    found = (config.get(key, "").partition("/")[0] for key in _ADDRESSES)
    return "".join(f"nameserver {address}\n" for address in found if address not in ("", "none"))
