# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of all attacks, in the order in which they are carried out. Pure."""

from tests.system.attacks import (  # each puts its own into the list
    cgroups,
    devices,
    entering,
    kernel,
    network,
    processes,
    resources,
    shared_folders,
    sockets,
)
from tests.system.attacks.attack import ATTACKS, Attack

_MODULES = (
    shared_folders,
    devices,
    kernel,
    processes,
    cgroups,
    network,
    sockets,
    entering,
    resources,
)


def all_attacks() -> tuple[Attack, ...]:
    """Return them all, by subject."""
    order = {module.__name__: number for number, module in enumerate(_MODULES)}
    return tuple(sorted(ATTACKS, key=lambda each: order[each.run.__module__]))
