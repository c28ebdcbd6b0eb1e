# SPDX-License-Identifier: GPL-3.0-or-later
"""Change which directories of the host an existing container shares."""

from kapsule.mounts import steps  # noqa: F401  # it registers itself
from kapsule.mounts.add import MOUNT, add_mount
from kapsule.mounts.folders import Keeper
from kapsule.mounts.remove import UNMOUNT, remove_mount

__all__ = ["MOUNT", "UNMOUNT", "Keeper", "add_mount", "remove_mount"]
