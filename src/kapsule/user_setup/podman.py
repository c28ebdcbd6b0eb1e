# SPDX-License-Identifier: GPL-3.0-or-later
"""Have Podman in the guest do without a user manager where its users have none. Pure.

Without a session of its own in the guest, Podman finds no systemd that would make cgroups for it:
containers.conf(5), "cgroup_manager".
"""

import posixpath

from kapsule.session.guest_actions import FILE, Action, MakeDirectory, Remove, WriteFile
from kapsule.user_setup.guest_texts import Files

PODMAN = "/etc/containers/containers.conf.d/50-kapsule-cgroupfs.conf"
_TEXT = '[engine]\ncgroup_manager = "cgroupfs"\n'


def plan_podman(files: Files, *, own_session: bool) -> list[Action]:
    """Return what makes Podman work. own_session: whether users have a session in the guest.

    files: what is at PODMAN. A file that somebody else wrote there stays.
    """
    found = files.get(PODMAN)
    is_ours = found is not None and found.kind == FILE and found.content == _TEXT
    if own_session:
        return [Remove(PODMAN)] if is_ours else []
    if found is not None:
        return []
    return [MakeDirectory(posixpath.dirname(PODMAN), parents=True), WriteFile(PODMAN, _TEXT)]
