# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from kapsule.host.settings import HostSettings
from kapsule.session.guest_actions import DIRECTORY, FILE, OTHER, SYMLINK, GuestFile, WriteFile
from kapsule.settings.name_servers import plan_name_servers

HOST = HostSettings(resolv_conf="nameserver 127.0.0.53\n", upstream="nameserver 192.0.2.1\n")
PATH = "/etc/resolv.conf"
STUB = GuestFile(SYMLINK, "../run/systemd/resolve/stub-resolv.conf")


@pytest.mark.parametrize("now", [None, STUB, GuestFile("file", ""), GuestFile("file", "x\n")])
def test_in_the_hosts_network(now: GuestFile | None) -> None:
    """The host's file as it is, loopback addresses too, in place of file or link."""
    planned = plan_name_servers({PATH: now}, HOST, shares_network=True)
    assert planned == (WriteFile(PATH, "nameserver 127.0.0.53\n"),)


@pytest.mark.parametrize(
    "now",
    [
        GuestFile("file", "nameserver 127.0.0.53\n"),
        GuestFile("file", "x", mounted=True),
        GuestFile(DIRECTORY),
        GuestFile(OTHER),
    ],
)
def test_what_stays(now: GuestFile) -> None:
    """What is right already, and what cannot be replaced."""
    assert plan_name_servers({PATH: now}, HOST, shares_network=True) == ()


@pytest.mark.parametrize("shares_network", [True, False])
def test_a_host_without_name_servers(shares_network: bool) -> None:
    """Nothing is written: the guest keeps what it has."""
    assert plan_name_servers({PATH: None}, HostSettings(), shares_network=shares_network) == ()


def test_in_a_network_of_its_own() -> None:
    """A guest that has no name server gets one that it can reach, and follows from then on."""
    (action,) = plan_name_servers({PATH: None}, HOST, shares_network=False)
    assert isinstance(action, WriteFile)
    assert action.content.endswith("nameserver 192.0.2.1\n")
    assert "127.0.0.53" not in action.content
    ours = {PATH: GuestFile("file", action.content)}
    assert plan_name_servers(ours, HOST, shares_network=False) == ()
    later = HostSettings(upstream="nameserver 192.0.2.2\n")
    assert len(plan_name_servers(ours, later, shares_network=False)) == 1


@pytest.mark.parametrize("now", [STUB, GuestFile("file", "nameserver 10.0.0.1\n")])
def test_what_its_own_network_told_it(now: GuestFile) -> None:
    """Its DHCP client or resolver knows better."""
    assert plan_name_servers({PATH: now}, HOST, shares_network=False) == ()


def test_a_leftover_of_the_image() -> None:
    """What a new guest's file says is about where its image was built; a link is an arrangement."""
    stale = {PATH: GuestFile(FILE, "nameserver 192.0.2.9\n")}
    (action,) = plan_name_servers(stale, HOST, shares_network=False, is_new=True)
    assert isinstance(action, WriteFile)
    assert plan_name_servers(stale, HOST, shares_network=False) == ()
    link = {PATH: GuestFile(SYMLINK, "/run/systemd/resolve/stub-resolv.conf")}
    assert plan_name_servers(link, HOST, shares_network=False, is_new=True) == ()
