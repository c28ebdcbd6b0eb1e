# SPDX-License-Identifier: GPL-3.0-or-later
from kapsule.host.settings import HostSettings
from kapsule.session.guest_actions import GuestFile
from kapsule.settings.scripts import PATHS, plan_scripts

HOST = HostSettings(
    time_zone="Europe/Berlin",
    locale=(("LANG", "de_DE.UTF-8"), ("LC_TIME", "C.UTF-8")),
    resolv_conf="nameserver 127.0.0.53\n",
    upstream="nameserver 192.0.2.1\n",
)
ALL = {path: GuestFile("file", "#!/bin/sh", executable=True) for path in PATHS}


def test_what_they_read() -> None:
    """The data has the form that images' scripts were written for."""
    assert plan_scripts(ALL, HOST, shares_network=True) == {
        "/.kapsule/sync/timezone": "Europe/Berlin",
        "/.kapsule/sync/locale": "LANG=de_DE.UTF-8\nLC_TIME=C.UTF-8",
        "/.kapsule/sync/dns": "nameserver 127.0.0.53\n",
    }


def test_only_what_can_run_runs() -> None:
    """A file that is not executable is no script, and what the host does not say is not said."""
    plain = {path: GuestFile("file", "#!/bin/sh") for path in PATHS}
    assert plan_scripts(plain, HOST, shares_network=True) == {}
    assert plan_scripts(ALL, HostSettings(time_zone="../x"), shares_network=True) == {}


def test_name_servers_within_reach() -> None:
    """A script in a network of its own is not told of the host's loopback."""
    scripts = plan_scripts(ALL, HOST, shares_network=False)
    assert scripts["/.kapsule/sync/dns"] == "nameserver 192.0.2.1\n"
