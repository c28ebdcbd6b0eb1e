# SPDX-License-Identifier: GPL-3.0-or-later
"""The network: the host's services, its settings, and the neighbours."""

import fcntl
import os
import socket
import struct
import subprocess
import time
from pathlib import Path

_PATIENCE = 2.0


def connect(family: str, kind: str, address: str, port: int) -> str:
    """Connect, and return what is said first."""
    number = getattr(socket, family)
    with socket.socket(number, getattr(socket, kind)) as connection:
        connection.settimeout(_PATIENCE)
        where = (address, port)
        if family == "AF_INET6":
            where = socket.getaddrinfo(address, port, number)[0][4]  # type: ignore[assignment]
        connection.connect(where)
        if kind == "SOCK_DGRAM":
            connection.send(b"hello")
        return connection.recv(100).decode()


def connect_abstract(name: str) -> str:
    """Connect to a socket that has a name, but no file: unix(7)."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_PATIENCE)
        connection.connect("\0" + name)
        return connection.recv(100).decode()


def configure(address: str, gateway: str) -> None:
    """Take an address on the bridge, as a guest that has no DHCP client does."""
    _ip("link", "set", "eth0", "up")
    _ip("address", "replace", address, "dev", "eth0")
    _ip("route", "replace", "default", "via", gateway)


def drop_address(address: str) -> None:
    """Let go of it."""
    _ip("address", "delete", address, "dev", "eth0")


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise OSError(done.stderr.strip())


def add_interface(name: str) -> None:
    """Make a network interface: it is there until it is removed."""
    _ip("link", "add", name, "type", "bridge")


def remove_interface(name: str) -> None:
    """Remove it."""
    _ip("link", "delete", name)


def toggle(path: str) -> str:
    """Change a setting that is 0 or 1, and return what it was."""
    before = Path(path).read_text().strip()
    Path(path).write_text("1" if before == "0" else "0")
    return before


def listen_in(text: str, seconds: float, interface: str = "") -> bool:
    """Whether a packet with this text passes an interface, "" for any: packet(7)."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as listener:
        listener.settimeout(0.1)
        if interface:
            listener.bind((interface, 3))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if text.encode() in listener.recv(2048):
                    return True
            except TimeoutError:
                continue
    return False


def own_hardware_address(interface: str) -> str:
    """Return an interface's hardware address."""
    return Path(f"/sys/class/net/{interface}/address").read_text().strip()


def change_hardware_address(interface: str, address: str) -> None:
    """Give an interface another hardware address."""
    _ip("link", "set", interface, "address", address)


def claim_address(interface: str, address: str, hardware: str) -> None:
    """Tell everybody that an IPv4 address is at a hardware address: RFC 826, gratuitous ARP.

    A word follows, by which the packet is known.
    """
    source = bytes.fromhex(hardware.replace(":", ""))
    ip = socket.inet_aton(address)
    body = struct.pack("!HHBBH", 1, 0x0800, 6, 4, 2) + source + ip + b"\xff" * 6 + ip
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((interface, 0))
        sender.send(b"\xff" * 6 + source + b"\x08\x06" + body + b"forged".ljust(18, b"\0"))


def serve_for_a_while(text: str, seconds: float) -> int:
    """Serve one connection on every address, in the background, and return the port.

    Whoever connects from now on is served, for some seconds.
    """
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        if os.fork():
            return int(listener.getsockname()[1])
        os.setsid()
        for number in {*range(3, 64)} - {listener.fileno()}:
            try:
                os.close(number)
            except OSError:
                continue
        try:
            listener.settimeout(seconds)
            with listener.accept()[0] as peer:
                peer.sendall(text.encode())
        finally:
            os._exit(0)


def vsock(port: int) -> str:
    """Connect to the host by the network between virtual machines: vsock(7)."""
    reason: OSError | None = None
    for machine in (1, 2, 0):
        with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as connection:
            connection.settimeout(_PATIENCE)
            try:
                connection.connect((machine, port))
                return connection.recv(100).decode()
            except OSError as error:
                reason = error
    raise reason or OSError("nobody is there")


def make_tap(descriptor: int, name: str) -> None:
    """Make a virtual interface: Documentation/networking/tuntap.rst, IFF_TAP and IFF_NO_PI."""
    request = struct.pack("16sH", name.encode(), 0x1002).ljust(40, b"\0")
    fcntl.ioctl(descriptor, 0x400454CA, request)


def dns(address: str) -> int:
    """Ask a name server for a name; return how long the answer is."""
    question = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + b"\x09localhost\0\0\1\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(_PATIENCE)
        client.connect((address, 53))
        client.send(question)
        return len(client.recv(512))
