# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks by network: on the host's services and settings, and on other containers."""

import functools
import json
import socket
import threading
from pathlib import Path

from kapsule import names
from tests.system.attacks.actor import Actor
from tests.system.attacks.attack import (
    FULL,
    HOME,
    PROJECT,
    SEALED,
    Absent,
    attack,
    expect,
)
from tests.system.attacks.listeners import ABSTRACT, GREETING, PORT
from tests.system.attacks.processes import SAME_NETWORK
from tests.system.attacks.scene import Scene
from tests.system.support.users import incus

HOSTS_NETWORK = {FULL: SAME_NETWORK, HOME: SAME_NETWORK}
_SERVED = "the bridge serves addresses and names"


def bridge(scene: Scene) -> str:
    """Return the bridge's IPv4 address."""
    return next(each for each in scene.listeners.addresses(names.BRIDGE) if "." in each)


def own_address(scene: Scene, level: str) -> str:
    """Return the IPv4 address that the bridge's DHCP server keeps for a container."""
    if level not in scene.addresses:
        leases = json.loads(incus("network", "list-leases", names.BRIDGE, "--format=json"))
        hardware = incus("config", "get", scene.name(level), "volatile.eth0.hwaddr").strip()
        found = [each["address"] for each in leases if each["hwaddr"] == hardware]
        scene.addresses[level] = next(str(address) for address in found if "." in address)
    return scene.addresses[level]


def go_online(scene: Scene, actor: Actor) -> None:
    """Have an isolated container use its address, whether it has asked for it or not."""
    if actor.level in (PROJECT, SEALED):
        own = own_address(scene, actor.level) + "/24"
        actor("network.configure", own, bridge(scene))


def _reach(scene: Scene, root: Actor, family: str, kind: str, address: str) -> str:
    go_online(scene, root)
    text = root("network.connect", family, kind, address, PORT)
    return expect(text == GREETING, text)


@attack("bridge-tcp", "Reach a service of the host by the bridge's address", open_at=HOSTS_NETWORK)
def _(scene: Scene, root: Actor) -> str:
    return _reach(scene, root, "AF_INET", "SOCK_STREAM", bridge(scene))


@attack("bridge-udp", "Reach a service of the host by UDP", open_at=HOSTS_NETWORK)
def _(scene: Scene, root: Actor) -> str:
    return _reach(scene, root, "AF_INET", "SOCK_DGRAM", bridge(scene))


@attack("other-address", "Reach a service by another address of the host", open_at=HOSTS_NETWORK)
def _(scene: Scene, root: Actor) -> str:
    other = next(each for each in scene.listeners.addresses("incusbr0") if "." in each)
    return _reach(scene, root, "AF_INET", "SOCK_STREAM", other)


@attack("ipv6", "Reach a service of the host by IPv6", open_at=HOSTS_NETWORK)
def _(scene: Scene, root: Actor) -> str:
    address = next(each for each in scene.listeners.addresses(names.BRIDGE) if ":" in each)
    return _reach(scene, root, "AF_INET6", "SOCK_STREAM", address)


@attack("ipv6-link", "Reach a service by the address of the link", open_at=HOSTS_NETWORK)
def _(scene: Scene, root: Actor) -> str:
    found = [x for x in scene.listeners.addresses(names.BRIDGE) if x.startswith("fe80")]
    if not found:
        raise Absent("the bridge has no such address")
    interface = "eth0" if root.level in (PROJECT, SEALED) else names.BRIDGE
    return _reach(scene, root, "AF_INET6", "SOCK_STREAM", f"{found[0]}%{interface}")


@attack("loopback", "Reach a service that listens on the host's loopback", open_at=HOSTS_NETWORK)
def _(scene: Scene, root: Actor) -> str:
    return _reach(scene, root, "AF_INET", "SOCK_STREAM", "127.0.0.1")


@attack("abstract-socket", "Reach an abstract socket of the host", open_at=HOSTS_NETWORK)
def _(scene: Scene, root: Actor) -> str:
    text = root("network.connect_abstract", ABSTRACT)
    return expect(text == GREETING, text)


@attack("vsock", "Reach a service of the host by vsock, which has no namespaces")
def _(scene: Scene, root: Actor) -> str:
    if not _vsock_works():
        raise Absent("the host does not reach itself by vsock")
    with _vsock_listener() as listener:
        scene.listeners.greet(listener)
        text = root("network.vsock", listener.getsockname()[1])
        return expect(text == GREETING, text)


def _vsock_listener() -> socket.socket:
    listener = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
    listener.bind((socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY))
    listener.listen()
    listener.settimeout(3)
    return listener


@functools.cache
def _vsock_works() -> bool:
    try:
        with _vsock_listener() as listener, socket.socket(socket.AF_VSOCK) as client:
            client.settimeout(1)
            client.connect((1, listener.getsockname()[1]))  # VMADDR_CID_LOCAL
            return True
    except OSError:
        return False


@attack(
    "name-server",
    "Ask the host for names",
    open_at={**HOSTS_NETWORK, PROJECT: _SERVED, SEALED: _SERVED},
)
def _(scene: Scene, root: Actor) -> str:
    go_online(scene, root)
    return expect(True, f"{root('network.dns', bridge(scene))} bytes")


@attack("interfaces", "Make a network interface on the host", open_at=HOSTS_NETWORK)
def _(scene: Scene, root: Actor) -> str:
    root("network.add_interface", "attack0")
    try:
        return expect(Path("/sys/class/net/attack0").exists(), "it is there")
    finally:
        root("network.remove_interface", "attack0")


@attack("network-settings", "Change the host's network settings", open_at=HOSTS_NETWORK)
def _(scene: Scene, root: Actor) -> str:
    path = "/proc/sys/net/ipv4/conf/lo/proxy_arp"
    before = Path(path).read_text()
    root("network.toggle", path)
    try:
        return expect(Path(path).read_text() != before, "it is changed")
    finally:
        root("network.toggle", path)


@attack("sniffing", "Listen in on the host's network", open_at=HOSTS_NETWORK)
def _(scene: Scene, root: Actor) -> str:
    stop = threading.Event()

    def talk() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not stop.wait(0.05):
                sender.sendto(scene.secret.encode(), ("127.0.0.1", 9))

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        return expect(root("network.listen_in", scene.secret, 1.0), "it was heard")
    finally:
        stop.set()
        thread.join()


@attack("tap", "Make a virtual interface on the host", open_at=HOSTS_NETWORK)
def _(scene: Scene, root: Actor) -> str:
    if not Path("/dev/net/tun").exists():
        raise Absent("there is no /dev/net/tun")
    interfaces = Path("/sys/class/net")
    before = set(interfaces.iterdir())
    worker = threading.Thread(target=lambda: root("devices.hold_tap", "tap9"))
    worker.start()
    new: set[str] = set()
    while worker.is_alive() and not new:
        new = {each.name for each in set(interfaces.iterdir()) - before}
    worker.join()
    return expect(new, sorted(new))
