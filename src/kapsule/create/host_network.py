# SPDX-License-Identifier: GPL-3.0-or-later
"""How a container comes to use the host's network: by what this Incus accepts."""

from kapsule.create.instance_config import NO_NETWORK_OF_ITS_OWN, share_network
from kapsule.errors import IncusError
from kapsule.host import network_namespace

# Incus 6.0 says "Only interface-specific ipv4/ipv6 lxc.net. keys are allowed".
_REFUSAL = "lxc.net. keys are allowed"

# Versions of Incus that were seen to refuse NO_NETWORK_OF_ITS_OWN, so that each is asked once.
_refusing: set[str] = set()


async def network_line(server_version: str) -> str:
    """Return the line of raw.lxc to try first. Raises NotSupported."""
    if server_version in _refusing:
        return share_network(await network_namespace.choose_file())
    return NO_NETWORK_OF_ITS_OWN


def is_refusal(error: IncusError, server_version: str) -> bool:
    """Whether Incus refused NO_NETWORK_OF_ITS_OWN; network_line() then answers otherwise.

    Several who began before the first one knew are refused.
    """
    if _REFUSAL not in error.message:
        return False
    _refusing.add(server_version)
    return True
