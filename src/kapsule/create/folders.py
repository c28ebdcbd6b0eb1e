# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories that an isolated container shows, from its configuration. Pure.

They are no devices of Incus's: Incus opens a path as root, whatever it leads to by then. They are
mounted by us, with the owner's rights (session/sharing.py).
"""

import json
from collections.abc import Iterable, Mapping

from kapsule import names
from kapsule.containers.container import is_isolated
from kapsule.containers.custom_mounts import stored_mounts
from kapsule.create.mounts import Mount, clean, expand, parse_mount
from kapsule.errors import InvalidArgument
from kapsule.host.users import HostUser
from kapsule.session.folders import Folder, may_be_shared
from kapsule.session.sharing import Plan
from kapsule.session.sources import Caller


def plan_of(config: Mapping[str, str], owner: HostUser) -> Plan:
    """Return what a container with this configuration shows of the host's directories.

    owner: whose it is, and whose rights count. Others than isolated ones show nothing by us.
    """
    return Plan(caller_of(owner), folders=folders_of(config, owner), owned=owned_by(owner))


def folders_of(config: Mapping[str, str], owner: HostUser) -> tuple[Folder, ...]:
    """Return the directories that a container shows by our mounts, the outer before the inner.

    What makes no sense is left out: others may write to the configuration.
    """
    if not is_isolated(config):
        return ()
    sources = _stored_sources(config)
    found = {mount.path: mount for mount in _mounts(config, owner)}
    folders = [
        Folder(sources.get(path, mount.source), path, mount.read_only)
        for path, mount in sorted(found.items())
    ]
    return tuple(folder for folder in folders if may_be_shared(folder.source))


def sources_to_store(mounts: Iterable[Mount], config: Mapping[str, str]) -> dict[str, str]:
    """Return the configuration key that says what the paths of these mounts lead to.

    config: what is stored already stays. It is the real path of today, so
    that nobody leads the mount elsewhere tomorrow. One that is its own real path is not stored.
    """
    added = {mount.path: mount.source for mount in mounts if mount.source != mount.path}
    sources = _stored_sources(config) | added
    return {names.KEY_SOURCES: json.dumps(sources, sort_keys=True)} if added else {}


def without_source(config: Mapping[str, str], path: str) -> dict[str, str]:
    """Return the configuration without what is stored for a path."""
    sources = {key: each for key, each in _stored_sources(config).items() if key != path}
    others = {key: value for key, value in config.items() if key != names.KEY_SOURCES}
    return others | {names.KEY_SOURCES: json.dumps(sources, sort_keys=True)} if sources else others


def owned_by(owner: HostUser) -> tuple[str, ...]:
    """Return the directories of a container that are made as the owner's."""
    runtime = f"/run/user/{owner.uid}"
    try:
        return (runtime, clean(owner.home)) if clean(owner.home) != "/" else (runtime,)
    except InvalidArgument:
        return (runtime,)


def caller_of(user: HostUser) -> Caller:
    """Return the user as the session helper knows one."""
    return Caller(user.uid, user.gid, user.groups)


def _mounts(config: Mapping[str, str], owner: HostUser) -> Iterable[Mount]:
    """Yield the mounts as they were asked for: sources that may be links."""
    for text in stored_mounts(config):
        try:
            mount = parse_mount(text, owner)
        except InvalidArgument:
            continue
        yield Mount(mount.path, mount.path, mount.read_only)
    try:
        home = clean(owner.home)
        if folder := config.get(names.KEY_HOME):
            yield Mount(home, expand(folder, owner))
        elif config.get(names.KEY_MOUNT_HOME) == "true":
            yield Mount(home, home)
    except InvalidArgument:
        return


def _stored_sources(config: Mapping[str, str]) -> dict[str, str]:
    try:
        stored = json.loads(config.get(names.KEY_SOURCES, "{}"))
    except (ValueError, RecursionError):
        return {}
    pairs = stored.items() if isinstance(stored, dict) else ()
    return {path: source for path, source in pairs if isinstance(source, str)}
