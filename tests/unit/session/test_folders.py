# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be shown of the host, and what of it is left out."""

import json

import pytest

from kapsule.session.folders import Folder, from_wire, kernel_mounts, may_be_shared, to_wire

_TABLE = r"""
30 1 0:40 / / rw - ext4 /dev/sda rw
31 30 0:41 / /run/kapsule rw - tmpfs tmpfs rw
32 31 0:42 /srv /run/kapsule/0 rw - ext4 /dev/sda rw
33 32 0:43 / /run/kapsule/0/a\040chroot/proc rw - proc proc rw
34 33 0:44 / /run/kapsule/0/a\040chroot/proc/sys/fs/binfmt_misc rw - binfmt_misc x rw
35 32 0:45 / /run/kapsule/0/data rw shared:1 - nfs4 server:/ rw
36 31 0:46 / /run/kapsule/01 rw - sysfs sysfs rw
""".strip()


@pytest.mark.parametrize("path", ["/", "/proc", "/proc/1", "/sys/fs", "/dev", "/.kapsule/host"])
def test_the_hosts_own(path: str) -> None:
    """The root directory, and where the kernel speaks, are never shown."""
    assert not may_be_shared(path)


@pytest.mark.parametrize("path", ["/srv", "/home/alice", "/process", "/dev2", "/home/proc"])
def test_folders_of_people(path: str) -> None:
    """Everything else may be, if its owner may read it."""
    assert may_be_shared(path)


def test_what_is_mounted_of_the_kernels() -> None:
    """The innermost comes first, so that it can be taken away; names with blanks are read."""
    proc = "/run/kapsule/0/a chroot/proc"
    assert kernel_mounts(_TABLE.splitlines(), "/run/kapsule/0") == [
        f"{proc}/sys/fs/binfmt_misc",
        proc,
    ]
    assert kernel_mounts(_TABLE.splitlines(), "/run/kapsule/01") == ["/run/kapsule/01"]
    assert kernel_mounts(_TABLE.splitlines(), "/run/kapsule/0/data") == []


def test_they_travel() -> None:
    """As JSON and back."""
    folders = (Folder("/a", "/b"), Folder("/c", "/d", read_only=True))
    assert from_wire(json.loads(json.dumps(to_wire(folders)))) == folders
