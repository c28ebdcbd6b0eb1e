# SPDX-License-Identifier: GPL-3.0-or-later
"""Give the user a home directory in the guest, unless the host's is mounted there. Pure."""

from collections.abc import Collection, Iterable
from posixpath import normpath

from kapsule.host.users import HostUser
from kapsule.options.mount_paths import split_access
from kapsule.session.guest_actions import (
    DIRECTORY,
    Action,
    CopyTree,
    GuestFile,
    MakeDirectory,
)
from kapsule.user_setup.guest_texts import Files

SKELETON = "/etc/skel"
_MODE = 0o700


def home_path(user: HostUser) -> str:
    """Return the path of the user's home directory without a slash at its end."""
    return normpath(user.home) if user.home else ""


def mounts_in_home(texts: Iterable[str], user: HostUser) -> set[str]:
    """Return the names in the user's home that custom mounts, as they are written, need there."""
    home = home_path(user) + "/"
    paths = (split_access(text)[0] for text in texts)
    below = (path.removeprefix("~/").removeprefix(home) for path in paths)
    return {path.split("/")[0] for path in below if path and not path.startswith("/")}


def plan_home(
    files: Files,
    user: HostUser,
    former_uids: Collection[int],
    *,
    folder: Collection[str] | None = None,
) -> list[Action]:
    """Return what makes the home directory, filled from /etc/skel.

    files: what is at home_path() and SKELETON. former_uids: the uids that the user's account had
    in the guest, whose directory goes with it. A directory of somebody else stays as it is, and
    one on another mount than the guest's root is the host's. folder: where that is a
    folder which was chosen to be the home, what its mounts have made in it; if it holds nothing
    else, it is filled, with the user's own rights.
    """
    path = home_path(user)
    if not path.startswith("/") or path.strip("/") == "":
        return []
    home, skeleton = files.get(path), files.get(SKELETON)
    if home is None:
        make = MakeDirectory(path, _MODE, user.uid, user.gid, parents=True)
        return [make, *_fill(path, (), skeleton, user)]
    if home.kind != DIRECTORY:
        return []
    if home.mounted:
        is_theirs = folder is not None and home.uid == user.uid and home.entries is not None
        is_new = is_theirs and set(home.entries or ()) <= set(folder or ())
        return _fill(path, home.entries, skeleton, user, as_user=True) if is_new else []
    # Empty and root's: Incus made it to mount something there.
    if home.uid in former_uids or (home.uid == 0 and home.entries == ()):
        make = MakeDirectory(path, home.mode, user.uid, user.gid)
        return [make, *_fill(path, home.entries, skeleton, user)]
    return _fill(path, home.entries, skeleton, user) if home.uid == user.uid else []


def _fill(
    path: str,
    entries: tuple[str, ...] | None,
    skeleton: GuestFile | None,
    user: HostUser,
    *,
    as_user: bool = False,
) -> list[Action]:
    """Copy the skeleton into a directory that has nothing of it yet."""
    if skeleton is None or skeleton.kind != DIRECTORY or not skeleton.entries or entries is None:
        return []
    if set(skeleton.entries) & set(entries):
        return []
    return [CopyTree(SKELETON, path, user.uid, user.gid, as_user)]
