# SPDX-License-Identifier: GPL-3.0-or-later
import json

import pytest

from kapsule.create.instance_config import (
    NO_NETWORK_OF_ITS_OWN,
    build_config,
    build_devices,
    keys_to_store,
    share_network,
)
from kapsule.create.mounts import Mount, home_of
from kapsule.errors import InvalidArgument
from kapsule.host.facts import HostFacts
from kapsule.host.users import HostUser
from kapsule.options.schema import OptionValue
from kapsule.options.table import CREATE_OPTIONS
from kapsule.testing.users import ALICE, user

_DEFAULTS: dict[str, OptionValue] = {
    option.key: option.default for option in CREATE_OPTIONS.options
}
_NOTHING: dict[str, OptionValue] = {
    **_DEFAULTS,
    "host_rootfs": False,
    "mount_home": False,
    "gpu": False,
}
_GPU, _NO_GPU = HostFacts(has_gpu=True), HostFacts(has_gpu=False)


def _devices(
    options: dict[str, OptionValue],
    *mounts: Mount,
    facts: HostFacts = _NO_GPU,
    owner: HostUser = ALICE,
) -> dict[str, dict[str, str]]:
    home = Mount(home_of(owner), home_of(owner)) if options["mount_home"] else None
    return build_devices(options, owner, facts, "pool", home, mounts)


def _config(line: str = "x") -> dict[str, str]:
    return build_config(_DEFAULTS, ALICE, line)


def _options_config(owner: HostUser = ALICE, **options: OptionValue) -> dict[str, str]:
    return build_config({**_DEFAULTS, **options}, owner, "")


def test_config() -> None:
    """The container is privileged, may nest, and has no network of its own."""
    config = _config(NO_NETWORK_OF_ITS_OWN)
    assert config["security.privileged"] == config["security.nesting"] == "true"
    first, second = config["raw.lxc"].splitlines()
    assert first == "lxc.net.0.type=none"
    assert second.startswith("lxc.init.cmd=/sbin/init ")


@pytest.mark.parametrize(
    "unit",
    [
        *("systemd-networkd.service", "systemd-networkd.socket", "systemd-resolved.service"),
        *("NetworkManager.service", "wpa_supplicant.service", "networking.service"),
        *("dhcpcd.service", "connman.service", "iwd.service", "nftables.service"),
    ],
)
def test_guests_leave_the_hosts_network_alone(unit: str) -> None:
    """What would set up interfaces, name servers or firewalls does not run."""
    assert f" systemd.mask={unit}" in _config()["raw.lxc"]


def test_guests_do_not_wait_for_a_network() -> None:
    """The services that wait for a network are masked before the guest's init looks."""
    (init,) = (
        line.split()[1:]
        for line in _config()["raw.lxc"].splitlines()
        if line.startswith("lxc.init.cmd=")
    )
    assert "systemd.mask=systemd-networkd-wait-online.service" in init
    assert "systemd.mask=NetworkManager-wait-online.service" in init


def test_shared_network() -> None:
    """Where Incus refuses that, the namespace is shared by its file."""
    config = _config(share_network("/proc/1/ns/net"))
    assert config["raw.lxc"].startswith("lxc.namespace.share.net=/proc/1/ns/net\n")
    assert "lxc.net.0.type" not in config["raw.lxc"]


def test_isolated_config() -> None:
    """An isolated container has ids of its own, and no way to Incus."""
    config = _options_config(privileged=False, network="bridge")
    assert config["security.privileged"] == "false"
    assert config["security.idmap.isolated"] == "true"
    assert config["security.guestapi"] == "false"
    assert config["raw.idmap"] == "uid 1000 1000\ngid 1000 1000"
    denied = {line.split()[0] for line in config["security.syscalls.deny"].splitlines()}
    assert denied == {"keyctl", "add_key", "request_key"}
    assert "raw.lxc" not in config


@pytest.mark.parametrize(("uid", "gid"), [(0, 0), (0, 100), (1000, 0)])
def test_root_is_never_the_same_inside(uid: int, gid: int) -> None:
    """The host's root, and root's group, are nobody in an isolated container."""
    lines = _options_config(user(uid=uid, gid=gid), privileged=False, network="none").get(
        "raw.idmap", ""
    )
    assert " 0 0" not in lines
    assert len(lines.splitlines()) == bool(uid) + bool(gid)


def test_privileged_behind_a_bridge() -> None:
    """It looks after its own network, so nothing is masked."""
    config = _options_config(network="bridge")
    assert config["security.privileged"] == "true"
    assert "raw.lxc" not in config


def test_without_a_network() -> None:
    """It does not wait for what never comes."""
    config = _options_config(privileged=False, network="none")
    assert "systemd.mask=systemd-networkd-wait-online.service" in config["raw.lxc"]
    assert "lxc.net" not in config["raw.lxc"]
    assert "lxc.namespace" not in config["raw.lxc"]


def test_stored_keys() -> None:
    """Scripts read these keys; what is not set and what is empty is absent."""
    assert keys_to_store(_DEFAULTS, ALICE) == {
        "user.kapsule.trust": "full",
        "user.kapsule.privileged": "true",
        "user.kapsule.network": "host",
        "user.kapsule.desktop": "true",
        "user.kapsule.x11": "true",
        "user.kapsule.host-rootfs": "true",
        "user.kapsule.mount-home": "true",
        "user.kapsule.gpu": "true",
        "user.kapsule.nvidia-drivers": "false",
        "user.kapsule.owner": "1000",
        "user.kapsule.setup-state": "creating",
    }


def test_stored_custom_mounts() -> None:
    """Custom mounts are stored as they were typed."""
    keys = keys_to_store({**_DEFAULTS, "custom_mounts": ("~/kde", "/ä b")}, ALICE)
    assert json.loads(keys["user.kapsule.custom-mounts"]) == ["~/kde", "/ä b"]


@pytest.mark.parametrize(
    ("gpu", "drivers", "stored"),
    [(True, True, "true"), (False, True, "false"), (True, False, "false")],
)
def test_stored_drivers(gpu: bool, drivers: bool, stored: str) -> None:
    """Drivers without the GPU do not count."""
    keys = keys_to_store({**_DEFAULTS, "gpu": gpu, "nvidia_drivers": drivers}, ALICE)
    assert keys["user.kapsule.nvidia-drivers"] == stored


def test_stored_session_mode() -> None:
    """Session mode is stored only where it is on."""
    keys = keys_to_store({**_DEFAULTS, "session_mode": True}, ALICE)
    assert keys["user.kapsule.session-mode"] == "true"


def test_every_option_is_stored() -> None:
    """An option that is added to the table is stored without another edit."""
    keys = keys_to_store({**_DEFAULTS, "network_kind": "bridge", "limits": ()}, ALICE)
    assert keys["user.kapsule.network-kind"] == "bridge"
    assert "user.kapsule.limits" not in keys


def test_devices_by_default() -> None:
    """By default a container has its disk, the host's files and the home at its own path."""
    assert _devices(_DEFAULTS) == {
        "root": {"type": "disk", "path": "/", "pool": "pool"},
        "hostfs": {
            "type": "disk",
            "source": "/",
            "path": "/.kapsule/host",
            "propagation": "rslave",
            "recursive": "true",
            "shift": "false",
        },
        "kapsule-home-alice": {
            "type": "disk",
            "source": "/home/alice",
            "path": "/home/alice",
            "recursive": "true",
        },
    }


def test_only_the_disk() -> None:
    """With everything off nothing of the host is shared."""
    assert set(_devices(_NOTHING, facts=_GPU)) == {"root"}


@pytest.mark.parametrize(("network", "there"), [("bridge", True), ("none", False)])
def test_network_devices(network: str, there: bool) -> None:
    """Behind the bridge a container has an interface that cannot pretend to be another."""
    devices = _devices({**_NOTHING, "privileged": False, "network": network})
    assert ("eth0" in devices) is there
    if there:
        assert devices["eth0"]["network"] == "kapsulebr0"
        for kind in ("mac", "ipv4", "ipv6"):
            assert devices["eth0"][f"security.{kind}_filtering"] == "true"
        assert devices["eth0"]["security.port_isolation"] == "true"


def test_an_isolated_container_has_no_devices_of_directories() -> None:
    """Incus would open what its owner names as root."""
    options = {**_NOTHING, "privileged": False, "network": "none"}
    home = Mount("/home/alice", "/srv/h")
    devices = build_devices(options, ALICE, _NO_GPU, "pool", home, [Mount("/data", "/srv/data")])
    assert set(devices) == {"root"}


def test_gpu_where_there_is_one() -> None:
    """Only a host with a GPU passes it through, and its owner may use it."""
    assert "gpu" not in _devices(_DEFAULTS, facts=_NO_GPU)
    gpu = _devices(_DEFAULTS, facts=_GPU)["gpu"]
    assert gpu == {"type": "gpu", "uid": "1000", "mode": "0660"}


def test_nodes_that_are_not_open() -> None:
    """Nodes that only root may use on the host are open in the container."""
    facts = HostFacts(has_gpu=False, closed_nodes=("/dev/net/tun",))
    assert _devices(_NOTHING, facts=facts)["kapsule-net-tun"] == {
        "type": "unix-char",
        "source": "/dev/net/tun",
        "path": "/dev/net/tun",
        "mode": "0666",
    }


def test_home_path() -> None:
    """A home has the path that it has on the host, wherever that is."""
    devices = _devices(_DEFAULTS, owner=user(home="/var/home/alice/"))
    assert devices["kapsule-home-alice"]["path"] == "/var/home/alice"
    assert devices["kapsule-home-alice"]["source"] == "/var/home/alice"


def test_home_that_is_the_root_directory() -> None:
    """The root directory is nobody's home."""
    with pytest.raises(InvalidArgument):
        _devices(_DEFAULTS, owner=user(home="/"))


def test_custom_mounts() -> None:
    """A custom mount appears where it was named and comes from where that leads."""
    devices = _devices(_NOTHING, Mount("/data", "/srv/data"), Mount("/a-b", "/a-b"))
    assert devices["kapsule-mount-data"] == {
        "type": "disk",
        "source": "/srv/data",
        "path": "/data",
        "recursive": "true",
    }


def test_a_folder_as_home() -> None:
    """It is mounted where the home is, by the device that a home has."""
    devices = build_devices(_NOTHING, ALICE, _NO_GPU, "pool", Mount("/home/alice", "/srv/h"), ())
    assert devices["kapsule-home-alice"] == {
        "type": "disk",
        "source": "/srv/h",
        "path": "/home/alice",
        "recursive": "true",
    }


def test_read_only_mount() -> None:
    """It comes without what is mounted in it, because Incus refuses both together."""
    devices = _devices(_NOTHING, Mount("/data", "/data", read_only=True))
    assert devices["kapsule-mount-data"] == {
        "type": "disk",
        "source": "/data",
        "path": "/data",
        "readonly": "true",
    }


def test_custom_mounts_with_the_same_slug() -> None:
    """No custom mount takes another one's device."""
    mounts = [Mount(path, path) for path in ("/a-b", "/a/b", "/a.b")]
    devices = _devices(_NOTHING, *mounts)
    assert {device["path"] for device in devices.values()} == {"/", "/a-b", "/a/b", "/a.b"}
