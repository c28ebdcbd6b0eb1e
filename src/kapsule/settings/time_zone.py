# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's time zone in a guest. Pure."""

from collections.abc import Mapping

from kapsule.host.settings import LOCALTIME, TIMEZONE, HostSettings, is_zone
from kapsule.session.guest_actions import (
    DIRECTORY,
    FILE,
    SYMLINK,
    Action,
    GuestFile,
    Symlink,
    WriteFile,
)

_ZONES = "/usr/share/zoneinfo/"
_DEBIAN = "/etc/debian_version"


def paths(settings: HostSettings) -> tuple[str, ...]:
    """Return what plan_time_zone has to know of the guest."""
    zone = (_ZONES + settings.time_zone,) if is_zone(settings.time_zone) else ()
    return (LOCALTIME, TIMEZONE, _DEBIAN, *zone)


def plan_time_zone(
    files: Mapping[str, GuestFile | None], settings: HostSettings
) -> tuple[Action, ...]:
    """Return what gives the guest the host's time zone. files: what is at paths().

    Where the guest does not know the zone, it gets the zone's rules in place of a link to them.
    """
    localtime = files.get(LOCALTIME)
    if not is_zone(settings.time_zone) or _is_the_guests(localtime):
        return ()
    zone = _ZONES + settings.time_zone
    return (*_localtime(localtime, zone, files, settings), *_timezone(files, settings.time_zone))


def _localtime(
    now: GuestFile | None,
    zone: str,
    files: Mapping[str, GuestFile | None],
    settings: HostSettings,
) -> tuple[Action, ...]:
    if files.get(zone):
        # localtime(5): the link may be relative, as timedatectl makes it.
        is_set = now and now.kind == SYMLINK and now.content in (zone, f"..{zone}")
        return () if is_set else (Symlink(LOCALTIME, zone),)
    return (WriteFile(LOCALTIME, settings.zone_data),) if settings.zone_data else ()


def _timezone(files: Mapping[str, GuestFile | None], name: str) -> tuple[Action, ...]:
    """The name alone, for those few programs that look there; Debian's own way."""
    now = files.get(TIMEZONE)
    if now is None and not files.get(_DEBIAN):
        return ()
    if now and (now.kind != FILE or now.mounted or (now.content or "").strip() == name):
        return ()
    return (WriteFile(TIMEZONE, f"{name}\n"),)


def _is_the_guests(file: GuestFile | None) -> bool:
    """Whether what is there cannot be replaced, or was put there on purpose."""
    return file is not None and (file.mounted or file.kind == DIRECTORY)
