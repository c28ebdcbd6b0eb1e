# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks on the terminal and the files of whoever enters, and by other users of the host."""

import os
import re
import sys
from pathlib import Path

from tests.system.attacks.actor import INSIDE, Actor
from tests.system.attacks.attack import (
    FULL,
    HOME,
    PROJECT,
    SEALED,
    Refused,
    attack,
    expect,
)
from tests.system.attacks.scene import Scene
from tests.system.support.screen import Screen

_HANDED_OVER = "what the caller hands over can be opened again, as the owner may: proc(5)"
_SHOWN = "a terminal shows what programs write"


def _push(scene: Scene, command: str) -> str:
    """Return what is left to be read of the caller's terminal after a command ran on it."""
    script = f"{command}; IFS= read -r -t 1 -n 3 x; echo; echo got=$x."
    with Screen(scene.alice, "bash", "-c", script) as screen:
        screen.wait()
        found = re.findall(rb"got=([a-z]*)\.", screen.output)
    return expect(found and found[-1], f"read: {found}")


_PUSH = "from inside import session; session.push_input('pwn')"


def _push_on_host(scene: Scene, _: Actor) -> str:
    here = Path(__file__).parent
    return _push(scene, f'cd {here}; {sys.executable} -SB -c "{_PUSH}"')


@attack(
    "typed-for-you",
    "Type into the terminal of whoever entered, so that their shell reads it afterwards",
    control=_push_on_host,
    unshown="a kernel may forbid it to all: dev.tty.legacy_tiocsti",
)
def _(scene: Scene, root: Actor) -> str:
    return _push(scene, f'kapsule enter --root {root.name} -- {INSIDE}/run -SB -c "{_PUSH}"')


@attack("callers-terminal", "Open the terminal of whoever entered")
def _(scene: Scene, root: Actor) -> str:
    words = ("kapsule", "enter", "--root", root.name, "--") if root.name else ()
    with Screen(scene.alice, *words, "sh", "-c", "echo begun; sleep 2") as screen:
        screen.expect("begun")
        status = os.stat(f"/proc/{screen.pid}/fd/0")
        found = root("session.terminals")
        return expect(f"{status.st_dev}:{status.st_rdev}" in found, found)


@attack(
    "escape-sequences",
    "Send control sequences to the terminal of whoever entered",
    open_at=dict.fromkeys((FULL, HOME, PROJECT, SEALED), _SHOWN),
)
def _(scene: Scene, root: Actor) -> str:
    words = ("kapsule", "enter", "--root", root.name, "--") if root.name else ()
    with Screen(scene.alice, *words, "printf", r"\033]52;c;eA==\a") as screen:
        screen.wait()
        return expect(b"\x1b]52;c;eA==" in screen.output, screen.output)


@attack(
    "redirected-file",
    "Read, and write anew, the file to which the caller's output is appended",
    open_at=dict.fromkeys((FULL, HOME, PROJECT, SEALED), _HANDED_OVER),
)
def _(scene: Scene, root: Actor) -> str:
    file = Path(scene.alice.account.pw_dir, "appended.log")
    file.write_text(f"{scene.secret}\n")
    os.chown(file, 1000, 1000)
    script = "read -r line < /proc/self/fd/1; : > /proc/self/fd/1; echo $line >&2"
    words = ("kapsule", "enter", root.name, "--") if root.name else ()
    try:
        command = " ".join((*words, "sh", "-c", f"'{script}'"))
        ran = scene.alice.run("sh", "-c", f"{command} >> {file}")
        return expect(scene.secret in ran.error and not file.stat().st_size, ran.error)
    finally:
        file.unlink()


# --- other users of the host


@attack("other-user-enters", "Enter the container as another user of the host")
def _(scene: Scene, root: Actor) -> str:
    user = scene.alice if root.is_host else scene.bob
    name = root.name or scene.name(FULL)
    result = user.kapsule("enter", name, "--", "echo", "inside")
    if result.code:
        raise Refused(result.error.strip().splitlines()[0])
    return expect("inside" in result.text, result.text)


@attack("other-user-deletes", "Delete the container as another user of the host")
def _(scene: Scene, root: Actor) -> str:
    user, name = scene.bob, root.name
    if root.is_host:  # its owner may: the same words, to a container that nobody misses
        user, name = scene.alice, "attack-spare"
        made = user.kapsule("create", name, "--image", "local:busybox")
        assert made.code == 0, made.error
    result = user.kapsule("rm", "--force", name)
    return expect(result.code == 0, result.error)


@attack("other-user-looks", "Look into the container's files as another user of the host")
def _(scene: Scene, root: Actor) -> str:
    user = scene.alice if root.is_host else scene.bob
    init = scene.init(root.level or FULL)
    paths = [f"/proc/{init}/root/etc/hostname", "/var/lib/incus/containers"]
    if root.is_host:
        return str(root("files.read", paths[0]))
    for path in paths:
        result = user.run("ls", path)
        if result.code == 0:
            return expect(True, result.text)
    raise Refused(result.error.strip())
