# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose members may do everything without polkit."""

import grp
import logging
import os

from kapsule.config import Config
from kapsule.errors import IncusUnavailable

log = logging.getLogger(__name__)


def admin_gid(config: Config, socket: str) -> int | None:
    """Return the group whose members may change things, or None when there is none.

    It is the configured one, or else the group that owns Incus's admin socket: its members are
    root by way of Incus anyway. It asks name services, so it may block.
    Raises IncusUnavailable when none is configured and the socket is not there.
    """
    return _gid_of(config.admin_group) if config.admin_group else _owner_of(socket)


def _gid_of(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        log.warning("The admin group %s does not exist: only root may change things", name)
        return None


def _owner_of(socket: str) -> int:
    try:
        return os.stat(socket).st_gid
    except OSError as error:
        raise IncusUnavailable(
            f"Incus's socket {socket} is not there, so nobody can tell who may do this",
            hint="See: systemctl status incus.socket incus.service",
        ) from error
