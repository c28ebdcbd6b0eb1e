# SPDX-License-Identifier: GPL-3.0-or-later
"""The devices of directories that a container shares with the host."""

import os.path
from collections.abc import Mapping

from kapsule.errors import InvalidArgument

CUSTOM_MOUNT = "kapsule-mount-"  # how the names of their devices begin

Device = Mapping[str, str]


def shared_directory(source: str, path: str, *, is_there: bool = True) -> dict[str, str]:
    """Return the device that shows a directory with what is mounted in it.

    source: on the host. path: in the container. is_there: whether source exists. One that does
    not is no reason not to start: Incus takes it over when it comes. It refuses `recursive` then.
    """
    option = {"recursive": "true"} if is_there else {"required": "false"}
    return {"type": "disk", "source": source, "path": path, **option}


def adapted_to_host(devices: Mapping[str, Device]) -> dict[str, dict[str, str]]:
    """Return those custom mounts that have to change because their directory came or went.

    devices: of the instance, by name. Looks at the file system, which may block.
    Raises InvalidArgument when a link was put in the way: the source was a real path when it was
    checked that the owner may read it, and Incus would follow the link as root.
    """
    changed = {}
    for name, device in devices.items():
        if name.startswith(CUSTOM_MOUNT):
            source = device["source"]
            if os.path.realpath(source) != source:
                raise InvalidArgument(
                    f"{source} has become a link, so it is not shared any more",
                    hint=f"Put the directory back, or remove the device {name} with incus",
                )
            wanted = shared_directory(source, device["path"], is_there=os.path.isdir(source))
            if wanted != device:
                changed[name] = wanted
    return changed
