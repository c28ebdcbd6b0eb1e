# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of an instance's devices. Scripts read them: docs/dbus-api.md. Pure."""

import re
from collections.abc import Collection
from hashlib import sha256

from kapsule.containers.custom_mounts import CUSTOM_MOUNT, HOME

ROOT = "root"
GPU = "gpu"
NETWORK = "eth0"
HOST_ROOTFS = "hostfs"

_MAX_LENGTH = 63
# What Incus takes in the name of a device is this and a slash, which we put to no use.
_LEGAL = re.compile(r"[A-Za-z0-9._:-]+\Z", re.ASCII)
_ILLEGAL = re.compile(r"[^A-Za-z0-9._:-]", re.ASCII)
_SHORT, _LONG = 12, 48  # digits of a hash


def home_device(user: str) -> str:
    """Return the name of the device of a user's home. user: the account's name."""
    name = HOME + user
    if _is_legal(name):
        return name
    # With a hash, because different names can become the same slug.
    room = _MAX_LENGTH - len(HOME) - _SHORT - 1
    return f"{HOME}{_ILLEGAL.sub('-', user)[:room]}-{_hash(user, _SHORT)}"


def node_device(path: str) -> str:
    """Return the name of the device of a node. path: below /dev."""
    return "kapsule-" + path.removeprefix("/dev/").replace("/", "-")


def mount_device(path: str, taken: Collection[str]) -> str:
    """Return the name of the device of a custom mount.

    path: absolute. taken: names of the instance's other devices, none of which is returned.
    """
    plain = CUSTOM_MOUNT + path.strip("/").replace("/", "-").replace(".", "-")
    hashed = CUSTOM_MOUNT + _hash(path, _SHORT)
    if _is_legal(plain) and plain not in taken:
        return plain
    return hashed if hashed not in taken else CUSTOM_MOUNT + _hash(path, _LONG)


def _is_legal(name: str) -> bool:
    return len(name) <= _MAX_LENGTH and bool(_LEGAL.match(name))


def _hash(text: str, digits: int) -> str:
    return sha256(text.encode()).hexdigest()[:digits]
