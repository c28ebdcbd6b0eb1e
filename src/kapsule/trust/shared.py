# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the host a container is given: directories, sockets, devices, networks. Pure."""

from collections.abc import Iterator, Mapping

from kapsule.containers.custom_mounts import stored_mounts
from kapsule.create import device_names
from kapsule.options.mount_paths import READ_ONLY, split_access
from kapsule.options.schema import OptionValue
from kapsule.options.table import BRIDGE, HOST_NETWORK
from kapsule.trust.crossing import Crossing

Devices = Mapping[str, Mapping[str, str]]
Options = Mapping[str, OptionValue]

_READ, _WRITE = "read", "read and write"
_WAYLAND = ("Wayland", "open windows, and see and hear what goes to them")
_X11 = ("X11", "open windows, and read and type into all others on the same display")
# They let whoever reaches them act as the user beyond what is shown on a screen.
_PRIVILEGED_SOCKETS = (
    ("PipeWire and PulseAudio", "play and record sound, use cameras, and run code on the host"),
    ("SSH agent", "log in elsewhere with your keys, as long as the agent has them"),
    ("GPG agent", "sign and decrypt with your keys"),
    ("PKCS#11 server", "use the certificates and smart cards that the host offers"),
    ("CUPS", "print"),
)
_FILTERED_BUS = (
    "part of the session bus",
    "show notifications, a tray icon and dialogs that ask you, where the host has xdg-dbus-proxy",
)
_SESSION_BUS = (
    "session bus",
    "talk to your desktop and run programs in it; it is the host's own",
)


def mounts(config: Mapping[str, str], options: Options, devices: Devices) -> Iterator[Crossing]:
    """Yield the directories of the host. config, devices: of the instance."""
    for device in devices.values():
        if device.get("type") == "disk" and "source" in device and "pool" not in device:
            access = _READ if device.get("readonly") == "true" else _WRITE
            yield _mount(device["source"], device.get("path", "?"), access)
    if not options["privileged"]:
        yield from _planned(config, options)


def _planned(config: Mapping[str, str], options: Options) -> Iterator[Crossing]:
    """Yield those that are no devices, because they are put in place by Kapsule itself."""
    if options["home"]:
        yield _mount(str(options["home"]), "your home directory", _WRITE)
    elif options["mount_home"]:
        yield _mount("~", "the same path", _WRITE)
    for text in stored_mounts(config):
        path, access = split_access(text)
        yield _mount(path, "the same path", _READ if access == READ_ONLY else _WRITE)


def _mount(source: str, path: str, access: str) -> Crossing:
    if source == "/":
        return Crossing("mount", "/", access, f"the whole file system of the host, at {path}")
    if source == path:
        path = "the same path"
    return Crossing("mount", source, access, f"programs in it see this directory, at {path}")


def sockets(options: Options) -> Iterator[Crossing]:
    """Yield the servers of the desktop that a session reaches, where they run."""
    if not options["desktop"]:
        return
    shared = [_WAYLAND, *((_X11,) if options["x11"] else ())]
    if options["privileged"]:
        shared.extend(_PRIVILEGED_SOCKETS)
    if options["privileged"] and not options["session_mode"]:
        shared.append(_SESSION_BUS)
    if not options["privileged"]:
        shared.append(_FILTERED_BUS)
    for name, meaning in shared:
        yield Crossing("socket", name, "connect", f"programs in it can {meaning}")


def devices_of(devices: Devices) -> Iterator[Crossing]:
    """Yield device nodes and what else others have added. devices: of the instance."""
    for name, device in devices.items():
        kind = device.get("type", "?")
        if kind == "gpu":
            yield Crossing("device", "graphics", "use", "programs in it can use the graphics card")
        elif kind in ("unix-char", "unix-block", "unix-hotplug", "usb"):
            source = device.get("source") or device.get("path") or name
            yield Crossing("device", source, device.get("mode", "0660"), "a device of the host's")
        elif kind not in ("disk", "nic", "none"):
            yield Crossing("other", name, kind, "a device that somebody added with Incus")


def networks(options: Options, devices: Devices) -> Iterator[Crossing]:
    """Yield the ways out to the network. devices: of the instance."""
    if options["network"] == HOST_NETWORK:
        yield Crossing(
            "network",
            "the host's",
            "all of it",
            "it is on the host's network as the host is: local services, abstract sockets, and "
            "for its root the settings",
        )
    elif options["network"] == BRIDGE:
        yield Crossing(
            "network",
            "a bridge",
            "outwards",
            "it reaches your network and the internet, but no service of the host itself except "
            "for addresses and names, and no other container",
        )
    for name, device in devices.items():
        if device.get("type") == "nic" and name != device_names.NETWORK:
            network = device.get("network") or device.get("parent") or name
            yield Crossing("network", network, "all of it", "somebody added it with Incus")


def guest_interface(config: Mapping[str, str]) -> Iterator[Crossing]:
    """Yield the socket by which a guest talks to Incus: Incus doc/dev-incus.md."""
    if config.get("security.guestapi", "true") != "false":
        yield Crossing(
            "socket", "/dev/incus", "read", "programs in it can read user.* keys of their container"
        )
