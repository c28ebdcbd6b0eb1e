# SPDX-License-Identifier: GPL-3.0-or-later
"""Which directories of the host a container shares, and where they appear in it. Pure.

A directory has the same path in the container as on the host, but for one that stands for the home.
"""

import os
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from kapsule.errors import InvalidArgument
from kapsule.host.users import HostUser
from kapsule.options.mount_paths import READ_ONLY, split_access
from kapsule.session.folders import is_below, may_be_shared

# The guest has its own there, or would not boot with the host's.
_GUEST_OWNS = frozenset({"/", "/etc", "/usr", "/var"})
_GUEST_OWNS_BELOW = (
    *("/.kapsule", "/dev", "/proc", "/run", "/sys"),
    *("/bin", "/lib", "/lib32", "/lib64", "/libx32", "/sbin"),
    *("/usr/bin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32", "/usr/sbin"),
)

# Each is compared with each, on the daemon's event loop.
MOST_MOUNTS = 64
_LONGEST_PATH = 4095  # PATH_MAX without the NUL: limits.h of the kernel


@dataclass(frozen=True, slots=True)
class Mount:
    """A directory that is shared. path: where it appears. source: where it is on the host."""

    path: str
    source: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class CustomMount:
    """A directory that somebody wants shared. path: absolute; what it leads to is not known yet."""

    path: str
    read_only: bool = False


def home_of(user: HostUser) -> str:
    """Return the path of the user's home, cleaned up.

    Raises InvalidArgument when it cannot be shared, as for many system accounts.
    """
    try:
        path = clean(user.home)
        check_place(path)
    except InvalidArgument as error:
        raise InvalidArgument(
            f"The home directory of {user.name} cannot be shared: {error.message}",
            hint="Leave it out with --no-mount-home",
        ) from error
    return path


def home_folder(text: str, user: HostUser) -> str:
    """Return the absolute path of the directory that shall stand for the user's home.

    text: absolute, `~` or `~/...`. Raises InvalidArgument when it cannot be.
    """
    path, access = split_access(text)
    path = expand(path, user)
    if access == READ_ONLY:
        raise InvalidArgument("A home directory cannot be read-only", hint="Leave out the :ro")
    if path == clean(user.home):
        raise InvalidArgument(
            f"{path} is your home directory, which is shared anyway", hint="Leave out --home"
        )
    home_of(user)
    return path


def parse_mount(text: str, user: HostUser) -> CustomMount:
    """Return the custom mount that a text stands for.

    text: absolute, `~` or `~/...`, with `:ro` or `:rw` at its end or neither. user: whose home `~`
    is. Raises InvalidArgument for a path that cannot be shared.
    """
    path, access = split_access(text)
    expanded = expand(path, user)
    check_place(expanded)
    return CustomMount(expanded, access == READ_ONLY)


def plan_custom_mounts(
    texts: Sequence[str], user: HostUser, *, mounts_home: bool
) -> tuple[CustomMount, ...]:
    """Return the custom mounts, in the order given.

    texts, user: as for parse_mount(). mounts_home: whether something is mounted at the home.
    Raises InvalidArgument for a path that cannot be shared, that is named twice or that lies in
    another one, and for too many.
    """
    if len(texts) > MOST_MOUNTS:
        raise InvalidArgument(
            f"A container can have {MOST_MOUNTS} custom mounts, not {len(texts)}",
            hint="Share a directory that holds several of them",
        )
    planned: list[CustomMount] = []
    for text in texts:
        mount = parse_mount(text, user)
        if mounts_home and mount.path == clean(user.home):
            raise InvalidArgument(
                f"{mount.path} is your home directory, which is shared already",
                hint="Leave it out, or add --no-mount-home",
            )
        for other in planned:
            _check_apart(mount.path, other.path)
        planned.append(mount)
    return tuple(planned)


def expand(path: str, user: HostUser) -> str:
    """Return an absolute path, cleaned up. path: may begin with `~/` or be `~`, the user's home."""
    in_home = path == "~" or path.startswith("~/")
    return clean(user.home + path[1:] if in_home else path)


def check_place(path: str) -> None:
    """Raise InvalidArgument when a container cannot do without its own directory at path."""
    if path in _GUEST_OWNS or is_below(path, _GUEST_OWNS_BELOW):
        raise InvalidArgument(
            f"{path} cannot be shared, because a container has its own there",
            hint="Share a directory of yours. The whole host is at /.kapsule/host by default.",
        )


def check_source(path: str, source: str) -> None:
    """Raise InvalidArgument when what path leads to must not be shared. source: its real path."""
    if not may_be_shared(source):
        raise InvalidArgument(
            f"{path} leads to {source}, which cannot be shared", hint="Share a directory of yours"
        )


def steps_down(path: str, home: str) -> tuple[str, ...]:
    """Return path and the directories that lead to it from home, the outermost first.

    Empty when path does not lie in home.
    """
    inner = path.removeprefix(home + "/")
    if home == "/" or inner == path:
        return ()
    names = inner.split("/")
    return tuple("/".join([home, *names[: count + 1]]) for count in range(len(names)))


def clean(path: str) -> str:
    """Return an absolute path without what is redundant in it.

    Raises InvalidArgument for one that is relative, climbs, is longer than a path can be or cannot
    be written down for Incus.
    """
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise InvalidArgument(f"{path[:60]!r}... is longer than a path can be")
    if not path.isprintable() or "\\" in path:
        raise InvalidArgument(
            f"{path!r} holds characters that a mount cannot have", hint="Rename the directory"
        )
    if not path.startswith("/"):
        raise InvalidArgument(f"{path!r} is not an absolute path", hint="Begin it with / or ~/")
    if ".." in path.split("/"):
        raise InvalidArgument(f"{path!r} climbs with ..", hint="Write the path without it")
    # normpath() keeps two leading slashes: POSIX lets them mean something of their own.
    return "/" + posixpath.normpath(path).lstrip("/")


def _check_apart(path: str, other: str) -> None:
    if path == other:
        raise InvalidArgument(f"{path} is to be shared twice", hint="Name it once")
    for inner, outer in ((path, other), (other, path)):
        if is_below(inner, (outer,)):
            raise InvalidArgument(
                f"{inner} lies in {outer}, which is shared too", hint=f"Leave out {inner}"
            )
