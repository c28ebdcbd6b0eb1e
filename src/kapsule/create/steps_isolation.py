# SPDX-License-Identifier: GPL-3.0-or-later
"""Steps of creation: what an isolated container needs of the host."""

from kapsule import names
from kapsule.create.pipeline import CREATE
from kapsule.create.request import CreateContext
from kapsule.errors import IncusError, NotAuthorized, NotSupported
from kapsule.host import delegated_ids, firewall
from kapsule.incus import networks
from kapsule.incus.client import IncusClient
from kapsule.incus.errors import IncusConflict, IncusNotFound
from kapsule.options.table import BRIDGE

_DESCRIPTION = "Network of Kapsule's isolated containers"


@CREATE.step(650)
async def check_trust(context: CreateContext) -> None:
    """Refuse a privileged container to who may only have isolated ones; an image cannot help it."""
    if context.options["privileged"] and not context.request.may_be_privileged:
        raise NotAuthorized(
            f"Image {context.request.image} wants to be privileged, which you may not have",
            hint="Say how far you trust it: --trust project or --trust sealed",
        )


@CREATE.step(1210)
async def delegate_ids(context: CreateContext) -> None:
    """Let Incus map the owner's ids into the container."""
    owner = context.request.owner
    if not context.options["privileged"]:
        await delegated_ids.delegate(owner.uid, owner.gid)


@CREATE.step(1220)
async def provide_bridge(context: CreateContext) -> None:
    """Have the bridge that it is behind, and the host guarded from what is behind it."""
    if context.options["network"] != BRIDGE:
        return
    await firewall.guard_host()
    if await ensure_bridge(context.backend.incus):
        context.progress.message(f"Made the network '{names.BRIDGE}'")


async def ensure_bridge(incus: IncusClient) -> bool:
    """Make the bridge where there is none; return whether it was made.

    Raises NotSupported where the name is somebody else's or Incus cannot make one.
    """
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
    config = {
        "ipv4.address": "auto",
        "ipv4.nat": "true",
        "ipv6.address": "auto",
        "ipv6.nat": "true",
    }
    try:
        await networks.create_bridge(incus, names.BRIDGE, config, _DESCRIPTION)
    except IncusConflict:  # somebody else was faster
        return False
    except IncusError as error:
        raise NotSupported(
            f"Incus cannot make a network: {error.message}",
            hint="It takes dnsmasq and nftables. Or choose `--network none`",
        ) from error
    return True
