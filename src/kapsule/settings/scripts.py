# SPDX-License-Identifier: GPL-3.0-or-later
"""A guest's own scripts that take over a setting of the host. Pure."""

from collections.abc import Mapping

from kapsule import names
from kapsule.host.settings import HostSettings, is_zone
from kapsule.session.guest_actions import GuestFile
from kapsule.settings.name_servers import resolv_conf

_DIRECTORY = names.GUEST_DIRECTORY + "/sync/"
TIME_ZONE = _DIRECTORY + "timezone"
LOCALE = _DIRECTORY + "locale"
NAME_SERVERS = _DIRECTORY + "dns"

PATHS = (TIME_ZONE, LOCALE, NAME_SERVERS)


def plan_scripts(
    files: Mapping[str, GuestFile | None], settings: HostSettings, *, shares_network: bool
) -> dict[str, str]:
    """Return the scripts that the guest has, and what each reads.

    files: what is at PATHS. The data: an IANA name; lines of locale.conf(5) without a newline at
    the end; a resolv.conf(5).
    """
    data = {
        TIME_ZONE: settings.time_zone if is_zone(settings.time_zone) else "",
        LOCALE: "\n".join(f"{name}={value}" for name, value in settings.locale),
        NAME_SERVERS: resolv_conf(settings, shares_network=shares_network),
    }
    return {path: text for path, text in data.items() if text and _is_there(files.get(path))}


def _is_there(file: GuestFile | None) -> bool:
    return file is not None and file.executable
