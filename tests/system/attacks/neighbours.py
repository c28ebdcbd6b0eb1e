# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks on other containers behind the bridge, and in their name."""

import contextlib
import subprocess
import threading
from pathlib import Path

from kapsule import names
from tests.system.attacks.actor import Actor
from tests.system.attacks.attack import (
    PROJECT,
    SEALED,
    Refused,
    attack,
    expect,
)
from tests.system.attacks.inside import network as attacker
from tests.system.attacks.network import HOSTS_NETWORK, bridge, go_online, own_address
from tests.system.attacks.scene import Scene

_TEXT = "hello neighbour"


def _neighbour(level: str) -> str:
    return SEALED if level == PROJECT else PROJECT


@attack("neighbour", "Reach another container on the bridge", open_at=HOSTS_NETWORK)
def _(scene: Scene, root: Actor) -> str:
    neighbour = scene.actor(_neighbour(root.level))
    go_online(scene, neighbour)
    go_online(scene, root)
    port = neighbour("network.serve_for_a_while", _TEXT, 3.0)
    address = own_address(scene, neighbour.level)
    text = root("network.connect", "AF_INET", "SOCK_STREAM", address, port)
    return expect(text == _TEXT, text)


def _heard_on_bridge(scene: Scene, root: Actor, source: str, address: str = "") -> bool:
    """Whether the host sees on its bridge that a container says: this address is at source."""
    go_online(scene, root)
    isolated = root.level in (PROJECT, SEALED)
    address = address or (own_address(scene, root.level) if isolated else bridge(scene))
    heard: list[bool] = []
    host = scene.actor("")
    listener = threading.Thread(
        target=lambda: heard.append(host("network.listen_in", "forged", 0.8, names.BRIDGE))
    )
    listener.start()
    while listener.is_alive():
        with contextlib.suppress(Refused):
            _call_out(root, "eth0" if isolated else names.BRIDGE, source, address)
        listener.join(0.1)
    return heard == [True]


def _call_out(root: Actor, interface: str, source: str, address: str) -> None:
    """Send one such packet; the host's own listener is busy, so its root sends by itself."""
    if root.is_host:
        attacker.claim_address(interface, address, source)
    else:
        root("network.claim_address", interface, address, source)


def _true_packet(scene: Scene, _: Actor) -> str:
    root = scene.actor(PROJECT)
    source = root("network.own_hardware_address", "eth0")
    return expect(_heard_on_bridge(scene, root, source), "the truth is heard")


_STRANGER = "02:00:00:00:00:99"


@attack(
    "forged-hardware-address",
    "Send packets from another machine's hardware address",
    open_at=HOSTS_NETWORK,
    control=_true_packet,
)
def _(scene: Scene, root: Actor) -> str:
    return expect(_heard_on_bridge(scene, root, _STRANGER), "the packet was heard")


@attack(
    "forged-address",
    "Tell the bridge that another machine's address is here",
    open_at=HOSTS_NETWORK,
    control=_true_packet,
)
def _(scene: Scene, root: Actor) -> str:
    isolated = root.level in (PROJECT, SEALED)
    source = root("network.own_hardware_address", "eth0" if isolated else names.BRIDGE)
    heard = _heard_on_bridge(scene, root, source, bridge(scene))
    return expect(heard, "the packet was heard")


@attack(
    "changed-hardware-address",
    "Give the interface another machine's hardware address",
    open_at=HOSTS_NETWORK,
    control=_true_packet,
)
def _(scene: Scene, root: Actor) -> str:
    if root.level not in (PROJECT, SEALED):
        return expect(_heard_on_bridge(scene, root, _STRANGER), "the packet was heard")
    before = root("network.own_hardware_address", "eth0")
    root("network.change_hardware_address", "eth0", _STRANGER)
    try:
        heard = _heard_on_bridge(scene, root, _STRANGER)
    finally:
        root("network.change_hardware_address", "eth0", before)
    return expect(heard, "packets pass")


def _impersonate(scene: Scene, root: Actor, address: str) -> str:
    """Serve at an address, and say whether the host talks to us when it means that address."""
    subprocess.run(["ip", "neighbour", "flush", "dev", names.BRIDGE], check=True)
    root("network.configure", address + "/24", bridge(scene))
    port = root("network.serve_for_a_while", "impostor", 3.0)
    try:
        host = scene.actor("")
        text = host("network.connect", "AF_INET", "SOCK_STREAM", address, port)
        return expect(text == "impostor", text)
    finally:
        root("network.drop_address", address + "/24")
        go_online(scene, root)


def _be_oneself(scene: Scene, _: Actor) -> str:
    return _impersonate(scene, scene.actor(PROJECT), own_address(scene, PROJECT))


@attack(
    "neighbours-address",
    "Take another machine's address, and have the host talk to the wrong one",
    open_at=HOSTS_NETWORK,
    control=_be_oneself,
)
def _(scene: Scene, root: Actor) -> str:
    if root.level in (PROJECT, SEALED):
        return _impersonate(scene, root, bridge(scene).rpartition(".")[0] + ".250")
    hardware = Path(f"/sys/class/net/{names.BRIDGE}/address").read_text().strip()
    root("network.claim_address", names.BRIDGE, bridge(scene), hardware)
    return "it speaks for any address on the bridge"
