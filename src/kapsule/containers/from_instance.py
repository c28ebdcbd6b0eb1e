# SPDX-License-Identifier: GPL-3.0-or-later
"""Incus's instances as our containers. Pure."""

import re
from types import MappingProxyType

from kapsule import names
from kapsule.containers.container import Container
from kapsule.incus.types import Instance

_UID = re.compile(r"[0-9]{1,10}\Z", re.ASCII)


def container_from_instance(instance: Instance) -> Container | None:
    """Return the container that an instance is, or None for one that Kapsule did not make."""
    owner = instance.config.get(names.KEY_OWNER, "")
    if instance.type != "container" or not _UID.match(owner):
        return None
    return Container(
        name=instance.name,
        status=instance.status,
        owner=int(owner),
        image=_image(instance),
        created=instance.created_at.isoformat() if instance.created_at else "",
        config=MappingProxyType(dict(instance.config)),
    )


def _image(instance: Instance) -> str:
    """Return in words what the instance was made from; Incus copies it from the image."""
    config = instance.config
    return config.get("image.description") or config.get("image.os") or "unknown"
