# SPDX-License-Identifier: GPL-3.0-or-later
"""Options and facts -> the configuration and the devices of an Incus instance. Pure."""

from collections.abc import Iterable, Mapping

from kapsule import names
from kapsule.containers.custom_mounts import shared_directory
from kapsule.containers.stored_options import key_of, to_text
from kapsule.create import device_names
from kapsule.create.isolation import bridge_device, isolate
from kapsule.create.mounts import Mount
from kapsule.host.facts import HostFacts
from kapsule.host.users import HostUser
from kapsule.options.schema import OptionValue
from kapsule.options.table import BRIDGE, HOST_NETWORK, NO_NETWORK

Devices = dict[str, dict[str, str]]

RAW_LXC = "raw.lxc"
NO_NETWORK_OF_ITS_OWN = "lxc.net.0.type=none"

# The network is the host's: the guest would wait for it in vain, and whatever sets up interfaces,
# name servers or firewalls would do so on the host.
_WAITING = (
    "systemd-networkd-wait-online.service",
    "NetworkManager-wait-online.service",
    "ifupdown-wait-online.service",
)
_MANAGING = (
    *("systemd-networkd.service", "systemd-networkd.socket", "systemd-networkd-varlink.socket"),
    *("systemd-resolved.service", "systemd-resolved-varlink.socket"),
    *("systemd-resolved-monitor.socket", "systemd-network-generator.service"),
    *("NetworkManager.service", "ModemManager.service", "wpa_supplicant.service", "iwd.service"),
    *("networking.service", "ifup@.service", "dhcpcd.service", "dhcpcd@.service"),
    *("connman.service", "wicked.service", "wickedd.service", "network.service"),
    *("nftables.service", "iptables.service", "ip6tables.service", "firewalld.service"),
    *("ufw.service", "netfilter-persistent.service"),
)
# What has no network waits in vain, too. systemd reads its kernel command line from /proc/1/cmdline
# in a container (kernel-command-line(7), systemd-debug-generator(8)); others pass it over.
_MASKED = {HOST_NETWORK: (*_WAITING, *_MANAGING), BRIDGE: (), NO_NETWORK: _WAITING}


def share_network(file: str) -> str:
    """Return the line of raw.lxc that shares the network namespace that a file names.

    Incus 6.0 refuses the shorter NO_NETWORK_OF_ITS_OWN.
    """
    return f"lxc.namespace.share.net={file}"


def build_config(
    options: Mapping[str, OptionValue], owner: HostUser, network: str
) -> dict[str, str]:
    """Return the configuration that says how the container runs.

    options: a value for every option of the table. owner: whose it is.
    network: the line of raw.lxc that makes it use the host's network, where it does.
    """
    isolation = {} if options["privileged"] else isolate(owner)
    return {
        "security.privileged": "true",
        "security.nesting": "true",
        **isolation,
        **_raw_lxc(str(options["network"]), network),
    }


def _raw_lxc(kind: str, network: str) -> dict[str, str]:
    masks = " ".join(f"systemd.mask={unit}" for unit in _MASKED[kind])
    lines = [network] if kind == HOST_NETWORK else []
    lines += [f"lxc.init.cmd=/sbin/init {masks}"] if masks else []
    return {RAW_LXC: "\n".join(lines) + "\n"} if lines else {}


def keys_to_store(options: Mapping[str, OptionValue], owner: HostUser) -> dict[str, str]:
    """Return the configuration keys that say what the container is; docs/dbus-api.md lists them.

    options: a value for every option of the table.
    """
    # Drivers without the device are of no use.
    drivers = bool(options["nvidia_drivers"] and options["gpu"])
    stored = {
        key_of(option): to_text(value)
        for option, value in {**options, "nvidia_drivers": drivers}.items()
        if value not in ((), "")
    }
    if not options["session_mode"]:
        del stored[names.KEY_SESSION_MODE]
    return stored | {
        names.KEY_OWNER: str(owner.uid),
        names.KEY_SETUP_STATE: names.SETUP_CREATING,
    }


def build_devices(
    options: Mapping[str, OptionValue],
    owner: HostUser,
    facts: HostFacts,
    pool: str,
    home: Mount | None,
    mounts: Iterable[Mount],
) -> Devices:
    """Return the devices of the instance by name.

    options: a value for every option of the table. pool: the storage pool of its root disk.
    home: what is mounted at the owner's home, or None. mounts: the custom mounts, checked. Of an
    isolated container neither is a device: Incus would open what its owner names as root.
    """
    devices: Devices = {device_names.ROOT: {"type": "disk", "path": "/", "pool": pool}}
    if options["network"] == BRIDGE:
        devices[device_names.NETWORK] = bridge_device()
    if options["gpu"] and facts.has_gpu:
        # Otherwise the nodes are root's alone.
        devices[device_names.GPU] = {"type": "gpu", "uid": str(owner.uid), "mode": "0660"}
    for node in facts.closed_nodes:
        name = device_names.node_device(node)
        devices[name] = {"type": "unix-char", "source": node, "path": node, "mode": "0666"}
    if options["host_rootfs"]:
        devices[device_names.HOST_ROOTFS] = {
            **shared_directory("/", names.HOST_ROOTFS_PATH),
            "propagation": "rslave",
            "shift": "false",
        }
    if options["privileged"]:
        devices |= _shared(owner, home, mounts, devices)
    return devices


def _shared(
    owner: HostUser, home: Mount | None, mounts: Iterable[Mount], taken: Devices
) -> Devices:
    shared: Devices = {}
    if home:
        shared[device_names.home_device(owner.name)] = shared_directory(home.source, home.path)
    for mount in mounts:
        device = device_names.mount_device(mount.path, taken | shared)
        shared[device] = shared_directory(mount.source, mount.path, read_only=mount.read_only)
    return shared
