# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's name servers in a guest. Pure."""

from collections.abc import Mapping

from kapsule.host.settings import RESOLV_CONF, HostSettings
from kapsule.session.guest_actions import FILE, SYMLINK, Action, GuestFile, WriteFile

PATHS = (RESOLV_CONF,)

_OURS = "# From the host, by Kapsule.\n"


def resolv_conf(settings: HostSettings, *, shares_network: bool) -> str:
    """Return the resolv.conf(5) that a guest can use, "" where the host has none.

    shares_network: whether it is in the host's network, and reaches servers on its loopback.
    """
    return settings.resolv_conf if shares_network else settings.upstream


def plan_name_servers(
    files: Mapping[str, GuestFile | None],
    settings: HostSettings,
    *,
    shares_network: bool,
    is_new: bool = False,
) -> tuple[Action, ...]:
    """Return what makes the guest ask the host's name servers. files: what is at PATHS.

    In a network of its own a guest is told its name servers by that network, and keeps them; only
    one that has none gets the host's. is_new: it was just made, so what a file says there is a
    leftover of where the image was built.
    """
    now = files.get(RESOLV_CONF)
    text = resolv_conf(settings, shares_network=shares_network)
    if now and (now.mounted or now.kind not in (FILE, SYMLINK)):
        return ()
    if not shares_network:
        is_leftover = is_new and now is not None and now.kind == FILE
        if not is_leftover and not _is_empty_or_ours(now):
            return ()
        text = text and _OURS + text
    if not text or (now and now.kind == FILE and now.content == text):
        return ()
    # A link, to where the guest's own resolver would write, is replaced by a file.
    return (WriteFile(RESOLV_CONF, text),)


def _is_empty_or_ours(file: GuestFile | None) -> bool:
    if file is None:
        return True
    text = file.content or ""
    return file.kind == FILE and (text.startswith(_OURS) or "nameserver" not in text)
