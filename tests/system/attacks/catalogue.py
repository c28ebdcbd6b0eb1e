# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of all attacks, in the order in which they are carried out. Pure."""

from tests.system.attacks import (  # each puts its own into the list
    callers,
    cgroups,
    devices,
    entering,
    kernel,
    keys,
    neighbours,
    network,
    processes,
    resources,
    shared_folders,
    shared_mounts,
    sockets,
)
from tests.system.attacks.attack import ATTACKS, Attack

_MODULES = (
    shared_folders,
    shared_mounts,
    devices,
    kernel,
    keys,
    processes,
    cgroups,
    network,
    neighbours,
    sockets,
    entering,
    callers,
    resources,
)


def all_attacks() -> tuple[Attack, ...]:
    """Return them all, by subject."""
    order = {module.__name__: number for number, module in enumerate(_MODULES)}
    return tuple(sorted(ATTACKS, key=lambda each: order[each.run.__module__]))
