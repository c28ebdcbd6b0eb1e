# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes an instance a border against its own root. Pure."""

from kapsule import names
from kapsule.host.users import HostUser

# 65,536 for the guest's own accounts, and behind them the ranges of user_setup/subordinate_ids.py,
# for rootless containers in it.
_IDS = 262_144
_ROOT = 0
# The kernel keeps keys by uid, not by user namespace: who has the owner's uid inside could read
# the owner's keys of the host. keyrings(7); ENOSYS is what programs expect of a kernel without.
_NO_KEYS = "".join(f"{call} errno 38\n" for call in ("keyctl", "add_key", "request_key"))


def isolate(owner: HostUser) -> dict[str, str]:
    """Return the configuration of a user-namespaced instance.

    Each has a range of ids of its own, so that two of them are strangers to each other. Of the
    host's ids only the owner's uid and primary gid are the same inside: what the owner shares is
    theirs on both sides, and all else is nobody's. Root's ids are never among them.
    Sources: Incus doc/reference/instance_options.md, "Security policies"; doc/userns-idmap.md.
    """
    return {
        "security.privileged": "false",
        "security.idmap.isolated": "true",
        "security.idmap.size": str(_IDS),
        # It tells a guest about its host and lets it change its own configuration.
        "security.guestapi": "false",
        "security.syscalls.deny": _NO_KEYS,
        **_same_ids(owner),
    }


def _same_ids(owner: HostUser) -> dict[str, str]:
    lines = [
        f"{kind} {number} {number}"
        for kind, number in (("uid", owner.uid), ("gid", owner.gid))
        if number != _ROOT
    ]
    return {"raw.idmap": "\n".join(lines)} if lines else {}


def bridge_device() -> dict[str, str]:
    """Return the network interface of a container behind the bridge.

    It cannot pretend to be another machine, neither by its hardware address nor by an IP address,
    and does not see the other containers. So it has one address of each kind: what DHCP gives it,
    and what comes of its hardware address for IPv6.
    Source: Incus doc/reference/devices_nic.md.
    """
    return {
        "type": "nic",
        "network": names.BRIDGE,
        "name": "eth0",
        "security.mac_filtering": "true",
        "security.ipv4_filtering": "true",
        "security.ipv6_filtering": "true",
        "security.port_isolation": "true",
    }
