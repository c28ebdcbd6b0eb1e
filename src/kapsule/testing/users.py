# SPDX-License-Identifier: GPL-3.0-or-later
"""Users that tests speak of."""

from dataclasses import replace

from kapsule.host.users import HostUser

ALICE = HostUser(
    uid=1000,
    gid=1000,
    name="alice",
    home="/home/alice",
    shell="/bin/bash",
    groups=(1000,),
    group_name="alice",
)


def user(**changes: str | int) -> HostUser:
    """Return Alice with something changed."""
    return replace(ALICE, **changes)  # type: ignore[arg-type]  # a field of another type is a test's mistake
