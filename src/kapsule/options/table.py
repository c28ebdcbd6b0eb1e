# SPDX-License-Identifier: GPL-3.0-or-later
"""The one table of creation options.

Adding an option is one row here and the step that honours it.
"""

from kapsule.options.schema import (
    ARRAY,
    BOOLEAN,
    STRING,
    Option,
    OptionValue,
    Preset,
    Schema,
    Section,
)

FULL, HOME, PROJECT, SEALED = "full", "home", "project", "sealed"
HOST_NETWORK, BRIDGE, NO_NETWORK = "host", "bridge", "none"

_OPEN: tuple[tuple[str, OptionValue], ...] = (
    ("privileged", True),
    ("mount_home", True),
    ("network", HOST_NETWORK),
    ("gpu", True),
    ("desktop", True),
    ("x11", True),
    ("session_mode", False),
)
# No image shares directories of the user's with a container that the user wants isolated.
_ISOLATED: tuple[tuple[str, OptionValue], ...] = (
    ("privileged", False),
    ("host_rootfs", False),
    ("mount_home", False),
    ("home", ""),
    ("custom_mounts", ()),
    ("network", BRIDGE),
    ("x11", False),
    ("session_mode", True),
)
# How far a container is trusted, the most first. Each is only a set of defaults.
_PRESETS = (
    Preset(FULL, "as a program of yours is", (*_OPEN, ("host_rootfs", True))),
    Preset(HOME, "the same, without the host's file system", (*_OPEN, ("host_rootfs", False))),
    Preset(
        PROJECT,
        "isolated, with a window and the folders that you name",
        (*_ISOLATED, ("gpu", True), ("desktop", True)),
    ),
    Preset(
        SEALED,
        "isolated, with nothing but the folders that you name",
        (*_ISOLATED, ("gpu", False), ("nvidia_drivers", False), ("desktop", False)),
    ),
)

CREATE_OPTIONS = Schema(
    presets=_PRESETS,
    preset_key="trust",
    sections=(
        Section(
            "trust",
            "Trust",
            (
                Option(
                    "trust",
                    STRING,
                    FULL,
                    "Trust",
                    "How far the container is trusted; sets the defaults of all other options",
                    choices=tuple(preset.name for preset in _PRESETS),
                ),
                Option(
                    "privileged",
                    BOOLEAN,
                    True,
                    "Privileged",
                    "Have no user namespace: root in the container is root on the host, and what "
                    "is not shared is out of sight, but not out of reach. Without it the "
                    "container is a border also against its own root",
                ),
                Option(
                    "network",
                    STRING,
                    HOST_NETWORK,
                    "Network",
                    "Use the host's network, one of its own behind a bridge, or none",
                    choices=(HOST_NETWORK, BRIDGE, NO_NETWORK),
                    requires=(("privileged", True),),
                    requiring=(HOST_NETWORK,),
                    instead=BRIDGE,
                ),
                Option(
                    "desktop",
                    BOOLEAN,
                    True,
                    "Desktop",
                    "Share the sockets of your desktop: windows, sound and more; only windows with "
                    "an isolated container",
                ),
                Option(
                    "x11",
                    BOOLEAN,
                    True,
                    "X11",
                    "Share the X11 display, too. Whoever draws on it can read what is typed into "
                    "its other windows, and type into them",
                    requires=(("desktop", True),),
                    requiring=(True,),
                    wants=(("privileged", True),),
                    instead=False,
                ),
            ),
        ),
        Section(
            "dbus",
            "D-Bus Integration",
            (
                Option(
                    "session_mode",
                    BOOLEAN,
                    False,
                    "Session Mode",
                    "Run a user session of its own in the container, with its own session bus",
                ),
            ),
        ),
        Section(
            "mounts",
            "Host Mounts",
            (
                Option(
                    "host_rootfs",
                    BOOLEAN,
                    True,
                    "Mount Host Filesystem",
                    "Show the whole file system of the host at /.kapsule/host, writable",
                    requires=(("privileged", True),),
                    requiring=(True,),
                    instead=False,
                ),
                Option(
                    "mount_home",
                    BOOLEAN,
                    True,
                    "Mount Home Directory",
                    "Share your home directory; without it the container has a home of its own",
                ),
                Option(
                    "home",
                    STRING,
                    "",
                    "Home Directory",
                    "Make this directory of the host the home in the container, in place of yours",
                    item_format="directory-path",
                    metavar="PATH",
                ),
                Option(
                    "custom_mounts",
                    ARRAY,
                    (),
                    "Additional Mounts",
                    "Share this directory of the host at the same path; PATH:ro for reading only",
                    item_format="directory-path",
                    metavar="PATH",
                ),
            ),
        ),
        Section(
            "gpu",
            "GPU",
            (
                Option(
                    "gpu",
                    BOOLEAN,
                    True,
                    "GPU Passthrough",
                    "Pass the graphics devices of the host through, where it has any",
                ),
                Option(
                    "nvidia_drivers",
                    BOOLEAN,
                    False,
                    "NVIDIA Driver Injection",
                    "Put the host's NVIDIA user-space drivers into the container",
                    requires=(("gpu", True),),
                    unavailable="NVIDIA driver injection is not in this version yet",
                ),
            ),
        ),
    ),
)
