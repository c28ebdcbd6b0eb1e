# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container needs of the host beside its directories: ids, a bridge, a guard."""

from collections.abc import Mapping

from kapsule import names
from kapsule.errors import IncusError, NotSupported
from kapsule.host import delegated_ids, firewall
from kapsule.host.users import HostUser
from kapsule.incus import networks
from kapsule.incus.client import IncusClient
from kapsule.incus.errors import IncusConflict, IncusNotFound
from kapsule.options.schema import OptionValue
from kapsule.options.table import BRIDGE

_DESCRIPTION = "Network of Kapsule's isolated containers"
# Names of containers are nobody's business but their owners': neither does the bridge's name server
# tell them, nor does it take names that a guest says it has. Incus doc/reference/network_bridge.md,
# dnsmasq(8).
_CONFIG = {
    "ipv4.address": "auto",
    "ipv6.address": "auto",
    "ipv4.nat": "true",
    "ipv6.nat": "true",
    "dns.mode": "none",
    "raw.dnsmasq": "dhcp-ignore-names",
}


async def provide_for(
    incus: IncusClient, options: Mapping[str, OptionValue], owner: HostUser
) -> list[str]:
    """Have the host ready for a container; return what there is to say about it.

    options: a value for every option of the table. owner: whose it is.
    Raises NotSupported where this host cannot have it, Busy, IncusUnavailable.
    """
    if not options["privileged"]:
        await delegated_ids.delegate(owner.uid, owner.gid)
    if options["network"] != BRIDGE:
        return []
    await firewall.guard_host()
    made = await _ensure_bridge(incus)
    return [f"Made the network '{names.BRIDGE}'"] if made else []


async def _ensure_bridge(incus: IncusClient) -> bool:
    """Make the bridge where there is none; return whether it was made."""
    try:
        network = await networks.get_network(incus, names.BRIDGE)
    except IncusNotFound:
        return await _make(incus)
    if network.type != "bridge" or not network.managed:
        raise NotSupported(
            f"The network interface {names.BRIDGE} is not Incus's",
            hint="Rename it, or choose `--network none`",
        )
    return False


async def _make(incus: IncusClient) -> bool:
    try:
        await networks.create_bridge(incus, names.BRIDGE, _CONFIG, _DESCRIPTION)
    except IncusConflict:  # somebody else was faster
        return False
    except IncusError as error:
        raise NotSupported(
            f"Incus cannot make a network: {error.message}",
            hint="It takes dnsmasq and nftables. Or choose `--network none`",
        ) from error
    return True
