# SPDX-License-Identifier: GPL-3.0-or-later
from kapsule.session.guest_actions import FILE, GuestFile, MakeDirectory, Remove, WriteFile
from kapsule.user_setup.podman import PODMAN, plan_podman


def test_without_a_session() -> None:
    """Where the users have no session of their own, Podman is told not to look for systemd."""
    directory, file = plan_podman({PODMAN: None}, own_session=False)
    assert directory == MakeDirectory("/etc/containers/containers.conf.d", parents=True)
    assert file == WriteFile(PODMAN, '[engine]\ncgroup_manager = "cgroupfs"\n')


def test_when_there_is_one_later() -> None:
    """What we wrote goes again; done twice, nothing happens."""
    (write,) = plan_podman({PODMAN: None}, own_session=False)[1:]
    assert isinstance(write, WriteFile)
    ours = {PODMAN: GuestFile(FILE, write.content)}
    assert plan_podman(ours, own_session=True) == [Remove(PODMAN)]
    assert plan_podman(ours, own_session=False) == []
    assert plan_podman({PODMAN: None}, own_session=True) == []


def test_what_others_wrote_stays() -> None:
    """A file of the same name that says something else is left alone."""
    theirs = {PODMAN: GuestFile(FILE, "[engine]\n")}
    assert plan_podman(theirs, own_session=True) == []
    assert plan_podman(theirs, own_session=False) == []
