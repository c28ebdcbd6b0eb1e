# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from kapsule.settings.bridge import resolv_conf


@pytest.mark.parametrize(
    ("config", "servers"),
    [
        ({"ipv4.address": "10.1.2.1/24", "ipv6.address": "fd42::1/64"}, ["10.1.2.1", "fd42::1"]),
        ({"ipv4.address": "10.1.2.1/24", "ipv6.address": "none"}, ["10.1.2.1"]),
        ({"ipv4.address": "none"}, []),
        ({}, []),
    ],
)
def test_the_bridge_serves_names(config: dict[str, str], servers: list[str]) -> None:
    """Its own addresses are name servers; an address that it lacks is none."""
    assert resolv_conf(config) == "".join(f"nameserver {each}\n" for each in servers)
