# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks on what there is only so much of: open by design where no limit is set."""

import threading
from pathlib import Path

from tests.system.attacks.actor import Actor
from tests.system.attacks.attack import FULL, HOME, PROJECT, SEALED, attack, expect
from tests.system.attacks.scene import Scene
from tests.system.support.users import User

_NO_LIMIT = "no level sets a limit: Incus's limits.* does"
_SAME_USER = "the kernel counts it by uid, and the owner's is the same on both sides"
_OWNER = "the kernel counts them for who made the user namespace, too: Incus, as root"
_ALL = (FULL, HOME, PROJECT, SEALED)


@attack(
    "many-processes",
    "Start hundreds of processes at once",
    open_at=dict.fromkeys(_ALL, _NO_LIMIT),
)
def _(scene: Scene, root: Actor) -> str:
    count = root("resources.fork_many", 300, 20.0)
    return expect(count >= 300, f"{count} processes")


@attack(
    "pipes-used-up",
    "Use up what the owner may have in pipes on the host",
    open_at=dict.fromkeys(_ALL, _SAME_USER),
)
def _(scene: Scene, root: Actor) -> str:
    program = "import os, fcntl; r, w = os.pipe(); print(fcntl.fcntl(r, 1032))"
    worker = threading.Thread(target=lambda: root("resources.hold_pipes", 2.0, uid=1000))
    worker.start()
    sizes = [65536]
    while worker.is_alive() and sizes[-1] == 65536:
        sizes.append(int(scene.alice.run("python3", "-c", program).text))
    worker.join()
    return expect(sizes[-1] < 65536, f"a new pipe of the owner's holds {sizes[-1]} bytes")


@attack(
    "watches-used-up",
    "Use up what the host's root may have in inotify instances",
    open_at={
        **dict.fromkeys((FULL, HOME), "its root is the host's root"),
        **dict.fromkeys((PROJECT, SEALED), _OWNER),
    },
)
def _(scene: Scene, root: Actor) -> str:
    program = "import ctypes, sys; sys.exit(ctypes.CDLL(None).inotify_init1(0) < 0)"
    worker = threading.Thread(target=lambda: root("resources.hold_watches", 2.0, 20))
    worker.start()
    codes = [0]
    while worker.is_alive() and codes[-1] == 0:
        codes.append(User("root").run("python3", "-c", program).code)
    worker.join()
    limit = Path("/proc/sys/fs/inotify/max_user_instances").read_text().strip()
    return expect(codes[-1], f"the host's root gets none of its {limit} any more")
