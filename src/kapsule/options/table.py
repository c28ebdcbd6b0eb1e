# SPDX-License-Identifier: GPL-3.0-or-later
"""The one table of creation options.

Adding an option is one row here and the step that honours it.
"""

from kapsule.options.schema import ARRAY, BOOLEAN, STRING, Option, Schema, Section

CREATE_OPTIONS = Schema(
    sections=(
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
    )
)
