# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image specification means: `SERVER:ALIAS`, where `images:` goes without saying."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kapsule.errors import InvalidArgument

LOCAL = "local"
DEFAULT_SERVER = "images"
SIMPLESTREAMS = "simplestreams"

SERVERS: Mapping[str, str] = MappingProxyType(
    {
        "images": "https://images.linuxcontainers.org",
        "ubuntu": "https://cloud-images.ubuntu.com/releases",
    }
)

# What would change the meaning of a URL that the alias gets into.
_FORBIDDEN = frozenset(" ?#%\\:")
_HINT = "An image is SERVER:ALIAS, such as images:debian/12 or local:debian"


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Where an image is.

    server: the URL of its server, "" for Incus's own store. alias: its name there.
    protocol: what the server speaks, "" for Incus's own store.
    """

    server: str
    alias: str
    protocol: str

    @property
    def is_local(self) -> bool:
        """Whether the image is in Incus's own store."""
        return not self.server


def resolve_image(spec: str, servers: Mapping[str, str] = SERVERS) -> ImageSource:
    """Return where the image that spec names is. Pure: nobody is asked whether it exists.

    spec: `local:ALIAS`, `SERVER:ALIAS` or `ALIAS`. servers: URL by name.
    Raises InvalidArgument for an unknown server and for what cannot be an alias.
    """
    before, colon, after = spec.partition(":")
    server, alias = (before, after) if colon else (DEFAULT_SERVER, spec)
    if server != LOCAL and server not in servers:
        known = ", ".join(sorted([LOCAL, *servers]))
        raise InvalidArgument(
            f"Unknown server alias: {server!r}. Known aliases: {known}", hint=_HINT
        )
    _check_alias(alias)
    if server == LOCAL:
        return ImageSource("", alias, "")
    return ImageSource(servers[server], alias, SIMPLESTREAMS)


def _check_alias(alias: str) -> None:
    steps = alias.split("/")
    if not alias.isprintable() or _FORBIDDEN & set(alias) or {"", ".", ".."} & set(steps):
        raise InvalidArgument(f"{alias!r} cannot be the name of an image", hint=_HINT)
