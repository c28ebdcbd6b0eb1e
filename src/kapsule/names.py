# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that bind us to others: on the bus, in Incus, in the guest. Constants only."""

BUS_NAME = "org.kde.kapsule"
MANAGER_PATH = "/org/kde/kapsule"
MANAGER_INTERFACE = "org.kde.kapsule.Manager"
OPERATION_INTERFACE = "org.kde.kapsule.Operation"
OPERATIONS_PATH = "/org/kde/kapsule/operations"

RUN_DIRECTORY = "/run/kapsule"
SESSION_SOCKET = RUN_DIRECTORY + "/session.socket"

CONFIG_FILES = ("/usr/lib/kapsule/kapsule.conf", "/etc/kapsule/kapsule.conf")
USER_CONFIG_FILE = ".config/kapsule/kapsule.conf"

# Keys in an instance's configuration. Scripts read them: docs/dbus-api.md.
KEY_OWNER = "user.kapsule.owner"  # uid, decimal; its presence makes an instance ours
KEY_SETUP_STATE = "user.kapsule.setup-state"  # "creating", then "done"
KEY_HOST_ROOTFS = "user.kapsule.host-rootfs"
KEY_MOUNT_HOME = "user.kapsule.mount-home"
KEY_HOME = "user.kapsule.home"
KEY_CUSTOM_MOUNTS = "user.kapsule.custom-mounts"
KEY_SOURCES = "user.kapsule.sources"
KEY_SESSION_MODE = "user.kapsule.session-mode"
KEY_NETWORK = "user.kapsule.network"
KEY_DESKTOP = "user.kapsule.desktop"
KEY_X11 = "user.kapsule.x11"

# A property of images: the uid of the user whose image it is.
IMAGE_OWNER = "user.kapsule.owner"

SETUP_CREATING = "creating"
SETUP_DONE = "done"


def key_mapped(uid: int | str) -> str:
    """Return the configuration key that says that the user with this uid is set up.

    uid: as a number, or as the configuration has it.
    """
    return f"user.kapsule.host-users.{uid}.mapped"


BRIDGE = "kapsulebr0"  # the network in Incus, and so its interface: at most 15 characters
FIREWALL_TABLE = "kapsule"  # of nft(8), family inet

GUEST_DIRECTORY = "/.kapsule"
HOST_ROOTFS_PATH = GUEST_DIRECTORY + "/host"
