# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapsule.host.settings import HostSettings
from kapsule.session.guest_actions import DIRECTORY, SYMLINK, GuestFile, Symlink, WriteFile
from kapsule.settings.time_zone import paths, plan_time_zone

BERLIN = HostSettings(time_zone="Europe/Berlin", zone_data="TZif...")
ZONE = "/usr/share/zoneinfo/Europe/Berlin"
KNOWN = {ZONE: GuestFile("file")}
LINK = Symlink("/etc/localtime", ZONE)


def test_a_guest_that_knows_the_zone() -> None:
    """It gets a link to its own rules."""
    assert plan_time_zone(KNOWN, BERLIN) == (LINK,)


@pytest.mark.parametrize("target", [ZONE, f"..{ZONE}"])
def test_nothing_to_do(target: str) -> None:
    """A link that leads there already stays, absolute or relative."""
    files = {**KNOWN, "/etc/localtime": GuestFile(SYMLINK, target)}
    assert plan_time_zone(files, BERLIN) == ()


def test_a_guest_without_zones() -> None:
    """It gets the rules themselves; where the host has none to give, nothing."""
    assert plan_time_zone({}, BERLIN) == (WriteFile("/etc/localtime", "TZif..."),)
    assert plan_time_zone({}, HostSettings(time_zone="UTC")) == ()


def test_debian_writes_the_name_down() -> None:
    """/etc/timezone is kept where it exists, and where Debian's programs expect it."""
    name = WriteFile("/etc/timezone", "Europe/Berlin\n")
    assert plan_time_zone({**KNOWN, "/etc/debian_version": GuestFile("file")}, BERLIN) == (
        LINK,
        name,
    )
    old = {**KNOWN, "/etc/timezone": GuestFile("file", "Etc/UTC\n")}
    assert plan_time_zone(old, BERLIN) == (LINK, name)
    new = {**KNOWN, "/etc/timezone": GuestFile("file", "Europe/Berlin\n")}
    assert plan_time_zone(new, BERLIN) == (LINK,)


@pytest.mark.parametrize("own", [GuestFile(DIRECTORY), GuestFile("file", "TZif", mounted=True)])
def test_what_cannot_be_replaced_stays(own: GuestFile) -> None:
    """A directory, or a file that is a mount, is the guest's business."""
    assert plan_time_zone({**KNOWN, "/etc/localtime": own}, BERLIN) == ()


@given(st.text() | st.just("../../../etc/shadow"))
def test_no_name_leads_out(name: str) -> None:
    """Whatever the host calls its zone: the guest is asked for, and given, nothing elsewhere."""
    settings = HostSettings(time_zone=name)
    assert not any(".." in path or "\n" in path for path in paths(settings))
    assert all(".." not in str(action) for action in plan_time_zone({}, settings))
