# SPDX-License-Identifier: GPL-3.0-or-later
from hypothesis import given
from hypothesis import strategies as st

from kapsule.create.guest_plan import hosts_with, plan_guest
from kapsule.session.guest_actions import (
    DIRECTORY,
    FILE,
    SYMLINK,
    GuestFile,
    MakeDirectory,
    SetFileCapability,
    SetHostname,
    WriteFile,
)

_ETC = GuestFile(DIRECTORY)


def test_name_and_signs() -> None:
    """The guest gets its host name, live and for later, and the directory that marks it."""
    files = {"/etc": _ETC, "/etc/hosts": GuestFile(FILE, "127.0.1.1 dev\n")}
    actions = plan_guest("dev", files)
    assert actions == [
        MakeDirectory("/.kapsule"),
        WriteFile("/etc/hostname", "dev\n"),
        SetHostname("dev"),
        SetFileCapability("/usr/bin/newuidmap", 7),
        SetFileCapability("/usr/bin/newgidmap", 6),
    ]


def test_guest_without_etc() -> None:
    """A guest that lacks /etc gets it first."""
    actions = plan_guest("dev", {"/etc": None, "/etc/hosts": None})
    assert actions[0] == MakeDirectory("/etc")
    assert WriteFile("/etc/hosts", hosts_with("", "dev")) in actions


def test_hosts_keeps_mode_and_owner() -> None:
    """An existing file keeps its mode and owner, and is only replaced as it was read."""
    file = GuestFile(FILE, "127.0.0.1 localhost\n", mode=0o664, uid=5, gid=6)
    (write,) = (
        action
        for action in plan_guest("dev", {"/etc": _ETC, "/etc/hosts": file})
        if isinstance(action, WriteFile) and action.path == "/etc/hosts"
    )
    assert (write.mode, write.uid, write.gid, write.replaces) == (0o664, 5, 6, file.content)


def test_hosts_of_the_image_maker() -> None:
    """A link, and a file that is no text, are left alone."""
    for file in (GuestFile(SYMLINK, "/run/hosts"), GuestFile(FILE, None)):
        actions = plan_guest("dev", {"/etc": _ETC, "/etc/hosts": file})
        assert not any(action[0] == "/etc/hosts" for action in actions)


def test_parents_of_mounts_come_along() -> None:
    """Further directories are part of the same plan."""
    parent = MakeDirectory("/home/alice/a", 0o755, 1000, 1000)
    assert parent in plan_guest("dev", {"/etc": _ETC, "/etc/hosts": None}, (parent,))


def test_hosts_with_entry() -> None:
    """An entry that is there, with other names and a comment, is enough."""
    for text in ("127.0.1.1 dev", "127.0.0.1 localhost dev # x\n", "::1\tdev\n"):
        assert hosts_with(text, "dev") == text


def test_hosts_that_only_look_like_an_entry() -> None:
    """A comment, another address, or a longer name is no entry."""
    for text in ("# 127.0.1.1 dev\n", "10.0.0.1 dev\n", "127.0.1.1 developer\n"):
        assert hosts_with(text, "dev") == text + "127.0.1.1\tdev\n"


def test_empty_hosts() -> None:
    """A guest without the file learns of localhost too."""
    assert hosts_with("", "dev").splitlines()[0] == "127.0.0.1\tlocalhost"


@given(st.text())
def test_hosts_never_lose_anything(text: str) -> None:
    """Whatever was there is still there, in front, and a second pass changes nothing."""
    once = hosts_with(text, "dev")
    assert once.startswith(text)
    assert hosts_with(once, "dev") == once
