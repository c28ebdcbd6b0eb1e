# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of the host that a container must not reach; each greets whoever connects."""

import contextlib
import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

PORT = 7711
ABSTRACT = "kapsule-attacked"
GREETING = "this is the host"
RUNTIME = Path("/run/user/1000")
DISPLAY = 77
DESKTOP = ("bus", "wayland-0", "pipewire-0")  # of alice's
X11 = Path(f"/tmp/.X11-unix/X{DISPLAY}")


# The environment of her session.
SESSION = {
    "XDG_RUNTIME_DIR": str(RUNTIME),
    "WAYLAND_DISPLAY": "wayland-0",
    "DISPLAY": f":{DISPLAY}",
    "DBUS_SESSION_BUS_ADDRESS": f"unix:path={RUNTIME}/bus",
}


@dataclass(slots=True)
class Listeners:
    """What listens."""

    sockets: list[socket.socket] = field(default_factory=list)

    def addresses(self, interface: str) -> list[str]:
        """Return the host's addresses on an interface, IPv4 first."""
        command = ["ip", "-json", "address", "show", "dev", interface]
        [found] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        listed = sorted(found["addr_info"], key=lambda each: str(each["family"]))
        return [str(each["local"]) for each in listed]

    def greet(self, listener: socket.socket) -> None:
        """Greet whoever connects to a socket, in a thread."""
        self.sockets.append(listener)
        threading.Thread(target=_greet, args=(listener,), daemon=True).start()


def _greet(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            if listener.type == socket.SOCK_DGRAM:
                _, sender = listener.recvfrom(100)
                if not sender:  # it was shut down
                    return
                listener.sendto(GREETING.encode(), sender)
                continue
            peer, _ = listener.accept()
            with peer, contextlib.suppress(OSError):
                peer.sendall(GREETING.encode())


@contextlib.contextmanager
def listening() -> Iterator[Listeners]:
    """Listen on every address of the host, in the abstract namespace, and as alice's desktop."""
    listeners = Listeners()
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        listener = socket.socket(socket.AF_INET6, kind)
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("::", PORT))
        _start(listeners, listener)
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind("\0" + ABSTRACT)
    _start(listeners, abstract)
    with _runtime_directory():
        for name in DESKTOP:
            path = RUNTIME / name
            path.unlink(missing_ok=True)
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(path))
            os.chown(path, 1000, 1000)
            _start(listeners, listener)
        listener = socket.socket(socket.AF_UNIX)
        X11.parent.mkdir(exist_ok=True)
        X11.parent.chmod(0o1777)
        listener.bind(str(X11))
        os.chown(X11, 1000, 1000)
        _start(listeners, listener)
        try:
            yield listeners
        finally:
            for each in listeners.sockets:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
            X11.unlink(missing_ok=True)


def _start(listeners: Listeners, listener: socket.socket) -> None:
    if listener.type == socket.SOCK_STREAM:
        listener.listen()
    listeners.greet(listener)


@contextlib.contextmanager
def _runtime_directory() -> Iterator[None]:
    was_there = RUNTIME.exists()
    RUNTIME.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.chown(RUNTIME, 1000, 1000)
    try:
        yield
    finally:
        for name in DESKTOP:
            (RUNTIME / name).unlink(missing_ok=True)
        if not was_there:
            with contextlib.suppress(OSError):
                RUNTIME.rmdir()
