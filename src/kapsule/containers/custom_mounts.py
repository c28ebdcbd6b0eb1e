# SPDX-License-Identifier: GPL-3.0-or-later
"""The devices of directories that a container shares with the host."""

import json
import os.path
from collections.abc import Iterable, Mapping
from functools import partial

from kapsule import names
from kapsule.containers.stored_options import stored_list
from kapsule.errors import Busy, InvalidArgument
from kapsule.host.patience import run_in_own_thread

# How the names of their devices begin.
CUSTOM_MOUNT = "kapsule-mount-"
HOME = "kapsule-home-"

_PATIENCE = 10.0  # seconds for a file system that does not answer

Device = Mapping[str, str]


def shared_directory(
    source: str, path: str, *, read_only: bool = False, is_there: bool = True
) -> dict[str, str]:
    """Return the device that shows a directory with what is mounted in it.

    source: on the host. path: in the container. read_only: without what is mounted in it; Incus
    refuses `readonly` together with `recursive`. is_there: whether source exists. One that does
    not is no reason not to start: Incus takes it over when it comes. It refuses `recursive` then.
    """
    device = {"type": "disk", "source": source, "path": path}
    if read_only:
        device["readonly"] = "true"
    elif is_there:
        device["recursive"] = "true"
    return device if is_there else device | {"required": "false"}


async def adapt_to_host(
    name: str, owner: int, devices: Mapping[str, Device]
) -> dict[str, dict[str, str]]:
    """Return adapted_to_host(devices). name, owner: of the container that has them.

    Raises InvalidArgument, and Busy when a file system does not answer, now or several times
    before to the same owner.
    """
    chosen = {key: device for key, device in devices.items() if _is_chosen(key, device)}
    if not chosen:
        return {}
    try:
        return await run_in_own_thread(owner, partial(adapted_to_host, chosen), _PATIENCE)
    except OSError as error:
        raise Busy(
            f"A directory that {name} shares does not answer: {error.strerror}",
            hint="Is it on a network file system whose server is away?",
        ) from error


def adapted_to_host(devices: Mapping[str, Device]) -> dict[str, dict[str, str]]:
    """Return those mounts that have to change because their directory came or went.

    devices: of the instance, by name. Looks at the file system, which may block.
    Raises InvalidArgument when a link was put in the way: the source was a real path when it was
    checked that the owner may read it, and Incus would follow the link as root.
    """
    changed = {}
    for name, device in devices.items():
        if _is_chosen(name, device):
            source, path = device["source"], device["path"]
            if os.path.realpath(source) != source:
                raise InvalidArgument(
                    f"{source} has become a link, so it is not shared any more",
                    hint="Put the directory back, or take it out with `kapsule unmount`",
                )
            read_only = device.get("readonly") == "true"
            is_there = os.path.isdir(source)
            wanted = shared_directory(source, path, read_only=read_only, is_there=is_there)
            if wanted != device:
                changed[name] = wanted
    return changed


def stored_mounts(config: Mapping[str, str]) -> tuple[str, ...]:
    """Return the custom mounts as a container's configuration has them; others may write there."""
    return stored_list(config.get(names.KEY_CUSTOM_MOUNTS))


def with_mounts(config: Mapping[str, str], texts: Iterable[str]) -> dict[str, str]:
    """Return the configuration with these custom mounts; without the key where there are none."""
    others = {key: value for key, value in config.items() if key != names.KEY_CUSTOM_MOUNTS}
    listed = list(texts)
    return others | {names.KEY_CUSTOM_MOUNTS: json.dumps(listed)} if listed else others


def mounts_below(source: str) -> bool:
    """Whether something of the host is mounted in the directory."""
    with open("/proc/self/mountinfo", "rb") as table:
        return lists_below(source, table)


def lists_below(source: str, table: Iterable[bytes]) -> bool:
    """Whether something is mounted in the directory. table: lines of proc_pid_mountinfo(5). Pure.

    Anybody may have mounted at a path that is no UTF-8.
    """
    # Blanks and the like are written as octal numbers there.
    prefix = os.fsencode(source.replace("\\", r"\134").replace(" ", r"\040") + "/")
    return any(line.split(b" ")[4].startswith(prefix) for line in table)


def _is_chosen(name: str, device: Device) -> bool:
    """Whether a user chose the source; a home at its own place is no choice."""
    if name.startswith(HOME):
        return device["source"] != device["path"]
    return name.startswith(CUSTOM_MOUNT)
