# SPDX-License-Identifier: GPL-3.0-or-later
"""Behind the bridge: outwards, but not to the host and not to each other."""

import contextlib
import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.system.support.users import User, incus
from tests.system.trust.guest import address_of, has_booted, sh

BRIDGE = "kapsulebr0"
BEYOND = "198.51.100.7"  # RFC 5737: for documentation, so it is nobody's


@dataclass(frozen=True)
class Servers:
    """Servers on the host. port: all listen on it, at each of the host's addresses."""

    port: int


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """Something of the host's that listens at all of its addresses."""
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        stop = threading.Event()

        def accept() -> None:
            with contextlib.suppress(OSError):
                while not stop.is_set():
                    server.accept()[0].close()

        threading.Thread(target=accept, daemon=True).start()
        yield Servers(server.getsockname()[1])
        stop.set()


@pytest.fixture(scope="module")
def beyond() -> Iterator[str]:
    """The address of another machine that the host routes to: a network namespace of its own."""
    commands = (
        "ip netns add beyond",
        "ip link add far0 type veth peer name far1 netns beyond",
        "ip address add 198.51.100.1/24 dev far0",
        "ip link set far0 up",
        f"ip -n beyond address add {BEYOND}/24 dev far1",
        "ip -n beyond link set far1 up",
        "ip -n beyond link set lo up",
    )
    for command in commands:
        subprocess.run(command.split(), check=True)
    listen = f"import socket;s=socket.create_server(('{BEYOND}',80));print('ready',flush=True)\n"
    listen += "while 1: s.accept()[0].close()"
    serve = ["ip", "netns", "exec", "beyond", "python3", "-c", listen]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield BEYOND
        server.kill()
    subprocess.run(["ip", "netns", "delete", "beyond"], check=True)


def _gateway(version: int = 4) -> str:
    return incus("network", "get", BRIDGE, f"ipv{version}.address").strip().partition("/")[0]


def _connects(name: str, address: str, port: int) -> bool:
    done = sh(name, f"timeout 5 bash -c '</dev/tcp/{address}/{port}'")
    return done.returncode == 0


def test_it_gets_an_address_and_a_name_server(sealed: str) -> None:
    """The bridge gives both, and serves names as the host knows them."""
    address = address_of(sealed)
    gateway = _gateway()
    assert address.rpartition(".")[0] == gateway.rpartition(".")[0]
    servers = sh(sealed, "cat /etc/resolv.conf").stdout
    assert f"nameserver {gateway}\n" in servers
    assert sh(sealed, "getent hosts box").stdout.split()[-1:] == ["box"]


def test_it_reaches_what_is_beyond_the_host(sealed: str, beyond: str) -> None:
    """It is behind a bridge, not in a cell."""
    address_of(sealed)
    assert _connects(sealed, beyond, 80)


@pytest.mark.parametrize("version", [4, 6])
def test_no_service_of_the_host(sealed: str, servers: Servers, version: int) -> None:
    """What listens on the host is refused at the bridge's address."""
    address_of(sealed)
    gateway = _gateway(version)
    with socket.create_connection((gateway, servers.port), timeout=5):
        pass  # the host itself reaches it, so it is there
    assert not _connects(sealed, gateway, servers.port)


def test_no_service_at_another_address_of_the_host(
    sealed: str, servers: Servers, beyond: str
) -> None:
    """An address of another interface is the host, too."""
    address_of(sealed)
    with socket.create_connection(("198.51.100.1", servers.port), timeout=5):
        pass
    assert not _connects(sealed, "198.51.100.1", servers.port)


def test_no_name_server_but_the_bridges_own(sealed: str, beyond: str) -> None:
    """One that listens at another address of the host may tell what is not for all ears."""
    address_of(sealed)
    with socket.create_server(("198.51.100.1", 53)):
        with socket.create_connection(("198.51.100.1", 53), timeout=5):
            pass
        assert not _connects(sealed, "198.51.100.1", 53)
    assert _connects(sealed, _gateway(), 53)


_PUBLISHED = """\
table ip published {{
    chain prerouting {{
        type nat hook prerouting priority dstnat;
        ip daddr {gateway} tcp dport 8099 counter dnat to {beyond}:80
    }}
}}
"""


def test_no_port_that_the_host_publishes(sealed: str, beyond: str) -> None:
    """What the host passes on, as for a container's published port, is a service of the host's."""
    address_of(sealed)
    rules = _PUBLISHED.format(gateway=_gateway(), beyond=beyond)
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    try:
        assert not _connects(sealed, _gateway(), 8099)
        words = ["nft", "list", "table", "ip", "published"]
        listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    finally:
        subprocess.run(["nft", "delete", "table", "ip", "published"], check=True)
    assert "counter packets 0 " not in listed


def test_rules_come_back_by_themselves(sealed: str, servers: Servers) -> None:
    """The daemon hears that they are gone, as when somebody reloads the host's own firewall."""
    address_of(sealed)
    subprocess.run(["nft", "delete", "table", "inet", "kapsule"], check=True)
    deadline = time.monotonic() + 10
    look = ["nft", "list", "table", "inet", "kapsule"]
    while subprocess.run(look, capture_output=True).returncode:
        assert time.monotonic() < deadline, "they did not come back"
        time.sleep(0.05)
    assert not _connects(sealed, _gateway(), servers.port)


def test_no_other_container(sealed: str, neighbour: str) -> None:
    """Two containers behind the bridge do not see each other."""
    address_of(sealed)
    other = address_of(neighbour)
    assert sh(neighbour, f"ping -c 1 -W 2 {_gateway()}").returncode == 0
    assert sh(sealed, f"ping -c 1 -W 2 {other}").returncode != 0


def test_no_other_container_by_way_of_the_host(sealed: str, neighbour: str) -> None:
    """The host does not route for one what the bridge does not pass to the other."""
    address_of(sealed)
    other = address_of(neighbour)
    with _listener(neighbour) as listener:
        assert sh(sealed, f"ip route replace {other} via {_gateway()}").returncode == 0
        for _ in range(5):
            sh(sealed, f"echo hairpin >/dev/udp/{other}/7714")
        assert sh(sealed, f"ip route delete {other}").returncode == 0
        subprocess.run(["bash", "-c", f"echo host >/dev/udp/{other}/7714"], check=True)
        assert listener.communicate()[0] == "host\n"  # and so would have been the others


@contextlib.contextmanager
def _listener(name: str) -> Iterator["subprocess.Popen[str]"]:
    """Have a program say the first packet that comes to a port in a container's network."""
    state = json.loads(incus("query", f"/1.0/instances/{name}/state"))
    listen = "import socket;s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM);"
    listen += "s.bind(('',7714));s.settimeout(20);"
    listen += "print('ready',flush=True);print(s.recv(9).decode(),end='')"
    command = ["nsenter", "-t", str(state["pid"]), "-n", "python3", "-c", listen]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline() == "ready\n"
        yield listener


def test_names_of_containers_are_not_told(sealed: str, neighbour: str) -> None:
    """Neither by name nor by address: they may be others' containers."""
    address_of(sealed)
    other = address_of(neighbour)
    for question in (neighbour, f"{neighbour}.incus", other, f"{sealed}.incus"):
        answer = sh(sealed, f"getent -s dns hosts {question}")
        assert (answer.returncode, answer.stdout) == (2, ""), question
    assert sh(sealed, "getent -s dns ahostsv4 box").returncode == 0  # so it does answer


def test_without_a_network(alice: User, fresh_name: str) -> None:
    """Only a loopback is left, and nothing waits for more."""
    words = ("--image", "local:debian", "--trust", "sealed", "--network", "none")
    assert alice.kapsule("create", fresh_name, *words).code == 0
    has_booted(fresh_name)
    links = sh(fresh_name, "ls /sys/class/net").stdout.split()
    assert links == ["lo"]
