# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the host's sockets a session shares, by the caller's environment. Pure.

Each server has its way to be found; for each there is one function below. What comes from the
caller's own place in their runtime directory gets the same place in the container, so that
programs find it without being told. Everything else gets a name that its path determines, so that
two terminals with different servers don't get into each other's way.
"""

import base64
import hashlib
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from kapsule.session.shares import COOKIES, FILE, FILTERED_BUS, Share

# What tells where servers are. It passes only where this module says so.
VARIABLES = frozenset(
    {
        *("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY"),
        *("DBUS_SESSION_BUS_ADDRESS", "SSH_AUTH_SOCK"),
        *("PULSE_SERVER", "PIPEWIRE_REMOTE", "PIPEWIRE_RUNTIME_DIR", "XDG_RUNTIME_DIR"),
    }
)

_X_DISPLAY = re.compile(r"(?:unix)?:(\d{1,5})(?:\.\d+)?\Z", re.ASCII)
_NETWORK_DISPLAY = re.compile(r"(?:[\w.-]+|\[[\da-fA-F:.]+\]):\d{1,5}(?:\.\d+)?\Z", re.ASCII)
_BUS_PATH = re.compile(r"unix:(?:[^;]*,)?path=([^,;]+)")
_NETWORK_SERVER = re.compile(r"(?:tcp[46]?:|unix:abstract=).")
_UNIX_SERVER = re.compile(r"(?:\{[^}]*\})?(?:unix:)?(/.+)\Z", re.DOTALL)
# Variable -> the forms of its value: a file of the host, a server of the network.
_ADDRESSES = {
    "DISPLAY": (_X_DISPLAY, _NETWORK_DISPLAY),
    "PULSE_SERVER": (_UNIX_SERVER, _NETWORK_SERVER),
    "DBUS_SESSION_BUS_ADDRESS": (_BUS_PATH, _NETWORK_SERVER),
}
_NO_X11 = (
    "DISPLAY is not shared: programs of X11 can type into all your windows. "
    "A container that is created with --x11 has it"
)
_PLAIN = re.compile(r"[A-Za-z0-9._-]{1,100}\Z")
_GPG_SOCKETS = ("S.gpg-agent", "S.gpg-agent.ssh", "S.gpg-agent.extra", "S.gpg-agent.browser")
_BASE32 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_Z_BASE32 = b"ybndrfg8ejkmcpqxot1uwisza345h769"
_CUPS = "/run/cups/cups.sock"


@dataclass(frozen=True, slots=True)
class Place:
    """Where things are. environment: the caller's. home: theirs. runtime: in the container."""

    environment: Mapping[str, str]
    home: str
    runtime: str

    @property
    def host_runtime(self) -> str:
        """The caller's runtime directory on the host."""
        return self.environment.get("XDG_RUNTIME_DIR") or self.runtime

    @property
    def usual(self) -> "Place":
        """Where things are when the environment says nothing."""
        return Place({"XDG_RUNTIME_DIR": self.host_runtime}, self.home, self.runtime)

    def own(self, source: str, kind: str) -> str:
        """Return the place in the container for a source that may lie anywhere."""
        directory, name = posixpath.split(source)
        if directory == self.runtime and _is_plain(name):
            return source
        return self.copy(source, kind)

    def copy(self, source: str, kind: str) -> str:
        """Return a name of ours in the container, which the source determines."""
        digest = hashlib.sha256(source.encode()).hexdigest()[:12]
        return f"{self.runtime}/kapsule-{kind}-{digest}"


def plan(
    place: Place, *, with_bus: bool, with_x11: bool = True, isolated: bool = False
) -> tuple[Share, ...]:
    """Return what a session shares of the host's desktop.

    with_bus, with_x11: whether the host's session bus and its X11 display are among it. isolated:
    whether the container shall be a border; then only windows are shared. The first share of a
    target counts.

    An isolated container gets nothing by which it could act as the user elsewhere: the session
    bus only behind a proxy, because its services start programs; not the agents, which sign for
    whoever asks; no tokens and no printers; not the sound servers, which load any library whose
    path a client names (docs/decisions/0020). Nor any file of the host's: its root could do with
    that what the owner could.
    """
    planners = _WINDOWS if isolated else _PLANNERS
    chosen = [planner for planner in planners if with_x11 or planner is not _x11]
    planned = [share for planner in chosen for share in planner(place)]
    if isolated:
        planned = [share for share in planned if share.kind != FILE]
        planned = [*_without_buses(planned, place), *_filtered_bus(place)]
    elif not with_bus:
        planned = _without_buses(planned, place)
    return tuple({share.target: share for share in reversed(planned)}.values())


def passed(
    environment: Mapping[str, str], *, shares_network: bool = True, with_x11: bool = True
) -> dict[str, str]:
    """Return what of the environment passes as it is: what names no file of the host.

    shares_network: whether the container's network is the host's; then names of servers in the
    network pass, too. with_x11: whether those of X11 displays do.
    """
    kept = {name: value for name, value in environment.items() if name not in VARIABLES}
    if not shares_network:
        return kept
    for name, (_, of_network) in _ADDRESSES.items():
        value = environment.get(name, "")
        if of_network.match(value) and (with_x11 or name != "DISPLAY"):
            kept[name] = value
    return kept


def refused(
    environment: Mapping[str, str], *, shares_network: bool = True, with_x11: bool = True
) -> list[str]:
    """Return notes on the variables that should name a server and name none that can be shared.

    Where X11 is not shared, that is worth a note only where there is no other way to a window.
    """
    notes = []
    for name, (of_host, of_network) in _ADDRESSES.items():
        value = environment.get(name, "")
        if value and name == "DISPLAY" and not with_x11:
            if not environment.get("WAYLAND_DISPLAY"):
                notes.append(_NO_X11)
            continue
        if not value or of_host.match(value):
            continue
        shown = (value if value.isprintable() else ascii(value))[:200]
        if not of_network.match(value):
            notes.append(f"{name} is not shared: {shown}: it names no server")
        elif not shares_network:
            notes.append(f"{name} is not shared: {shown}: the container has a network of its own")
    return notes


def _without_buses(planned: Iterable[Share], place: Place) -> list[Share]:
    buses = {share.source for share in (*_session_bus(place), *_session_bus(place.usual))}
    return [share for share in planned if posixpath.normpath(share.source) not in buses]


def _is_plain(name: str) -> bool:
    """Whether a socket may keep its name; one of the bus's name would take the bus's place."""
    return bool(_PLAIN.match(name)) and name not in (".", "..", "bus")


def _wayland(place: Place) -> Iterator[Share]:
    name = place.environment.get("WAYLAND_DISPLAY")
    if not name:
        return
    source = posixpath.join(place.host_runtime, name)
    is_plain = _is_plain(name)
    target = f"{place.runtime}/{name}" if is_plain else place.own(source, "wayland")
    value = name if is_plain else target
    yield Share(source, target, variable="WAYLAND_DISPLAY", value=value, named=True)
    # A compositor inside finds the name taken by this lock, as it would on the host.
    yield Share(source + ".lock", target + ".lock", FILE)


def _x11(place: Place) -> Iterator[Share]:
    value = place.environment.get("DISPLAY", "")
    display = _X_DISPLAY.match(value)
    if not display:
        return
    number = str(int(display[1]))
    path = f"/tmp/.X11-unix/X{number}"
    yield Share(path, path, variable="DISPLAY", value=value, named=True, system=True)
    cookies = place.environment.get("XAUTHORITY", "")
    source = cookies or f"{place.home}/.Xauthority"
    target = place.copy(f"{source}:{number}", "xauthority")
    variable = ("XAUTHORITY", target)
    yield Share(source, target, COOKIES, *variable, named=bool(cookies), display=number)


def _pipewire(place: Place) -> Iterator[Share]:
    name = place.environment.get("PIPEWIRE_REMOTE", "")
    directory = place.environment.get("PIPEWIRE_RUNTIME_DIR") or place.host_runtime
    if name:
        source = posixpath.join(directory, name)
        target = place.own(source, "pipewire")
        yield Share(source, target, variable="PIPEWIRE_REMOTE", value=target, named=True)
    for default in ("pipewire-0", "pipewire-0-manager"):
        yield Share(f"{directory}/{default}", f"{place.runtime}/{default}")


def _pulseaudio(place: Place) -> Iterator[Share]:
    usual = f"{place.runtime}/pulse/native"
    server = _UNIX_SERVER.match(place.environment.get("PULSE_SERVER", ""))
    if server:
        source = server[1]
        target = usual if source == usual else place.own(source, "pulse")
        yield Share(source, target, variable="PULSE_SERVER", value=f"unix:{target}", named=True)
    yield Share(f"{place.host_runtime}/pulse/native", usual)


def _session_bus(place: Place) -> Iterator[Share]:
    address = place.environment.get("DBUS_SESSION_BUS_ADDRESS", "")
    named = _BUS_PATH.match(address)
    if address and not named:
        return
    source = unquote(named[1]) if named else f"{place.host_runtime}/bus"
    is_usual = source == f"{place.host_runtime}/bus"
    target = f"{place.runtime}/bus" if is_usual else place.own(source, "bus")
    value = f"unix:path={target}"
    yield Share(source, target, variable="DBUS_SESSION_BUS_ADDRESS", value=value, named=bool(named))


def _filtered_bus(place: Place) -> Iterator[Share]:
    """The session bus behind a proxy: notifications, the tray, portals that ask."""
    target = f"{place.runtime}/kapsule-host-bus"
    for share in _session_bus(place):
        variable = ("KAPSULE_HOST_BUS_ADDRESS", f"unix:path={target}")
        yield Share(share.source, target, FILTERED_BUS, *variable)


def _ssh_agent(place: Place) -> Iterator[Share]:
    source = place.environment.get("SSH_AUTH_SOCK")
    if source:
        target = place.own(source, "ssh")
        yield Share(source, target, variable="SSH_AUTH_SOCK", value=target, named=True)


def _gpg_agent(place: Place) -> Iterator[Share]:
    """gpgconf --list-dirs: below the runtime directory, or beside the keys where there is none."""
    keys = place.environment.get("GNUPGHOME") or f"{place.home}/.gnupg"
    below = "gnupg"
    if keys != f"{place.home}/.gnupg":
        digest = base64.b32encode(hashlib.sha1(keys.encode()).digest()[:15])
        below += "/d." + digest.translate(bytes.maketrans(_BASE32, _Z_BASE32)).decode()
    for name in _GPG_SOCKETS:
        target = f"{place.runtime}/{below}/{name}"
        yield Share(f"{place.host_runtime}/{below}/{name}", target)


def _printing(place: Place) -> Iterator[Share]:
    yield Share(_CUPS, _CUPS, system=True)


def _tokens(place: Place) -> Iterator[Share]:
    name = "p11-kit/pkcs11"
    yield Share(f"{place.host_runtime}/{name}", f"{place.runtime}/{name}")


_WINDOWS: list[Callable[[Place], Iterable[Share]]] = [
    _wayland,
    _x11,
]
_PLANNERS = [
    *_WINDOWS,
    _pipewire,
    _pulseaudio,
    _session_bus,
    _ssh_agent,
    _gpg_agent,
    _printing,
    _tokens,
]
