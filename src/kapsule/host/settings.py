# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's settings that every container follows: time zone, locale, name servers.

They are read from the files in which systemd's services keep them, so that hosts without these
services have them, too.
"""

import asyncio
import os
import re
from dataclasses import dataclass
from pathlib import Path

LOCALTIME = "/etc/localtime"
TIMEZONE = "/etc/timezone"
LOCALE_CONF = "/etc/locale.conf"
DEFAULT_LOCALE = "/etc/default/locale"
RESOLV_CONF = "/etc/resolv.conf"
# What systemd-resolved and NetworkManager ask themselves where RESOLV_CONF names only them.
UPSTREAM = ("/run/systemd/resolve/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf")
FILES = (LOCALTIME, TIMEZONE, LOCALE_CONF, DEFAULT_LOCALE, RESOLV_CONF, *UPSTREAM)

_MAX_SIZE = 64 * 1024
# https://data.iana.org/time-zones/theory.html, "Timezone identifiers". No dot, so no "..".
_ZONE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,31}(?:/[A-Za-z0-9][A-Za-z0-9_+-]{0,31}){0,3}\Z")
_ZONE_DATA = "TZif"  # tzfile(5)
# locale.conf(5)
_VARIABLE = re.compile(r"(?:export\s+)?(LANG|LANGUAGE|LC_[A-Z]{4,14})=(.*)\Z")
_VALUE = re.compile(r"[A-Za-z0-9_.@:+-]{1,128}\Z")
_SERVER = re.compile(r"nameserver[ \t]+(\S+)")
_LOOPBACK = ("127.", "::1", "0.0.0.0")

Locale = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What containers follow, checked. "" and () stand for what the host does not say.

    time_zone: an IANA name. zone_data: its rules, tzfile(5), bytes as "surrogateescape" text.
    locale: names and values in the order of the file. resolv_conf: the file, as it is.
    upstream: the same for a container that has a loopback interface of its own.
    """

    time_zone: str = ""
    zone_data: str = ""
    locale: Locale = ()
    resolv_conf: str = ""
    upstream: str = ""


async def gather_settings(root: Path = Path("/")) -> HostSettings:
    """Return the host's settings; the files are read in a thread. root: where they are."""
    return await asyncio.to_thread(_read_settings, root)


def is_zone(name: str) -> bool:
    """Whether this can be the name of a time zone, and so a path below a zoneinfo directory."""
    return bool(_ZONE.match(name))


def parse_locale(text: str) -> Locale:
    """Return the variables that a locale.conf(5) sets; what cannot be a locale is left out."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _VARIABLE.match(line.strip())
        if match and _VALUE.match(value := match[2].strip().strip("'\"")):
            found[match[1]] = value
    return tuple(found.items())


def reachable(text: str) -> str:
    """Return a resolv.conf(5) without the name servers that only the host itself reaches.

    "" where no name server is left.
    """
    lines = [line for line in text.splitlines() if not _is_local(line)]
    return "\n".join(lines) + "\n" if any(map(_SERVER.match, lines)) else ""


def _is_local(line: str) -> bool:
    server = _SERVER.match(line)
    return bool(server and server[1].startswith(_LOOPBACK))


def _read_settings(root: Path) -> HostSettings:
    zone_data = _read(root, LOCALTIME)
    resolv_conf = _read(root, RESOLV_CONF)
    others = (_read(root, path) for path in UPSTREAM)
    return HostSettings(
        time_zone=_time_zone(root),
        zone_data=zone_data if zone_data.startswith(_ZONE_DATA) else "",
        locale=parse_locale(_read(root, LOCALE_CONF)) or parse_locale(_read(root, DEFAULT_LOCALE)),
        resolv_conf=resolv_conf,
        upstream=next(filter(None, map(reachable, (resolv_conf, *others))), ""),
    )


def _time_zone(root: Path) -> str:
    """Return the zone's name: localtime(5); without the link, as Debian once wrote it down."""
    try:
        link = os.readlink(_below(root, LOCALTIME))
    except FileNotFoundError:
        return "UTC"
    except OSError:
        link = ""
    name = link.partition("/zoneinfo/")[2].removeprefix("posix/")
    name = name or _read(root, TIMEZONE).strip()
    return name if is_zone(name) else ""


def _read(root: Path, path: str) -> str:
    """Return the text of a file; "" for one that is missing, too large or no file."""
    try:
        with _below(root, path).open("rb") as file:
            data = file.read(_MAX_SIZE + 1)
    except OSError:
        return ""
    return data.decode(errors="surrogateescape") if len(data) <= _MAX_SIZE else ""


def _below(root: Path, path: str) -> Path:
    return root / path.lstrip("/")
