# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks by control groups."""

from tests.system.attacks.actor import Actor
from tests.system.attacks.attack import FULL, attack, expect
from tests.system.attacks.scene import Scene
from tests.system.attacks.shared_folders import PRIVILEGED


@attack("cgroup-tree", "See the host's control groups by mounting them anew")
def _(scene: Scene, root: Actor) -> str:
    found = root("cgroups.all_groups")
    return expect(
        {"lxc.monitor." + scene.name(FULL), "lxc.payload." + scene.name(FULL)} & {*found}, found
    )


@attack("cgroup-move", "Move a process of the host's into a control group of the container")
def _(scene: Scene, root: Actor) -> str:
    return expect("/attack" in root("cgroups.move", scene.witness.pid), "it was moved")


@attack(
    "cgroup-limits",
    "Loosen what limits the whole container",
    open_at=PRIVILEGED,
)
def _(scene: Scene, root: Actor) -> str:
    return expect(True, root("cgroups.loosen", "cgroup.max.depth"))


@attack(
    "release-agent",
    "Have the host run a program when a control group is empty",
    open_at=PRIVILEGED,
)
def _(scene: Scene, root: Actor) -> str:
    return str(root("cgroups.old_hierarchy"))
