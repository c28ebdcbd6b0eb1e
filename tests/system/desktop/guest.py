# SPDX-License-Identifier: GPL-3.0-or-later
"""A container of the desktop's user, seen from the host and from inside."""

import json
import os
import secrets
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from tests.system.desktop.desktop import Desktop
from tests.system.support.users import Result, incus
from tests.system.support.waiting import until

# The environment of somebody who has no desktop.
NOTHING = {"XDG_RUNTIME_DIR": "/nowhere"}


class Mount(NamedTuple):
    """A line of a mount table: proc(5), mountinfo. No two mounts ever have the same identity."""

    identity: int
    device: str
    root: str
    point: str


class Guest:
    """A container.

    options: those of its creation. desktop: whose programs enter it.
    """

    def __init__(self, name: str, desktop: Desktop) -> None:
        self.name = name
        self.desktop = desktop
        self.options: tuple[str, ...] = ()
        self._own: set[str] = set()
        self._init = 0

    def create(self, *options: str, image: str = "desktop") -> None:
        """Create it, and wait until it has booted."""
        self.options = options
        words = ("create", self.name, "--image", f"local:{image}", *options)
        result = self.desktop.user.kapsule(*words)
        assert result.code == 0, result.error
        self.wait_for_boot()
        self._own = {mount.point for mount in self.mounts()} | {self.desktop.runtime}

    def wait_for_boot(self) -> None:
        """Wait until its systemd has started everything."""
        question = "systemctl is-system-running || true"
        until(lambda: self.as_root(question) in ("running", "degraded"))

    def delete(self) -> None:
        """Delete it."""
        incus("delete", "--force", self.name)

    def enter(
        self, *command: str, env: Mapping[str, str] | None = None, **arguments: Any
    ) -> Result:
        """Run a command in it as the desktop's user.

        env: the environment of `kapsule enter`, that of the desktop if it is None.
        """
        variables = self.desktop.environment if env is None else env
        words = ("enter", self.name, "--", *command)
        return self.desktop.user.kapsule(*words, env=variables, **arguments)

    def shell(self, script: str, env: Mapping[str, str] | None = None) -> str:
        """Run a script in it, which must not fail, as `enter` does; return its output."""
        result = self.enter("sh", "-ec", script, env=env)
        assert result.code == 0, f"{script}: {result.text} {result.error}"
        return result.text

    def as_root(self, script: str) -> str:
        """Run a script in it as its root, without Kapsule."""
        return incus("exec", self.name, "--", "sh", "-ec", script).strip()

    def variable(self, name: str, env: Mapping[str, str] | None = None) -> str | None:
        """Return the value that a variable has inside, None where it is not set."""
        return self.variables(env).get(name)

    def variables(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment inside."""
        pairs = (each.partition("=") for each in self.shell("env -0", env).split("\0"))
        return {name: value for name, equals, value in pairs if equals}

    def mounts(self) -> list[Mount]:
        """Return what is mounted in it."""
        lines = Path(f"/proc/{self.init()}/mountinfo").read_text().splitlines()
        fields = (line.split(" ") for line in lines)
        return [Mount(int(each[0]), each[2], each[3], each[4]) for each in fields]

    def additions(self) -> list[Mount]:
        """Return what is mounted in it since its boot, but for the user's runtime directory."""
        return [mount for mount in self.mounts() if mount.point not in self._own]

    def path(self, path: str) -> Path:
        """Return where the host finds a path of the guest, which must lead over no link."""
        return Path(f"/proc/{self.init()}/root{path}")

    def shares(self, inside: str, outside: str) -> bool:
        """Say whether a path of the guest is the very file that a path of the host is."""
        theirs, ours = self.path(inside), os.stat(outside)
        if not os.path.lexists(theirs):
            return False
        found = theirs.lstat()
        return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)

    def init(self) -> int:
        """Return the process id of its init."""
        if not os.path.exists(f"/proc/{self._init}/root/"):
            state = json.loads(incus("query", f"/1.0/instances/{self.name}/state"))
            self._init = int(state["pid"])
        return self._init


class Session:
    """A shell in a guest that runs while other things happen."""

    def __init__(self, guest: Guest, env: Mapping[str, str] | None = None) -> None:
        self._process = guest.desktop.user.popen(
            *("kapsule", "enter", guest.name, "--", "sh"),
            env=guest.desktop.environment if env is None else env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.run("true")

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def run(self, script: str) -> str:
        """Run a script and return what it prints."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        end = secrets.token_hex(8)
        self._process.stdin.write(f"{script}\necho {end}\n".encode())
        self._process.stdin.flush()
        output = ""
        while end not in output:
            line = self._process.stdout.readline().decode()
            assert line, f"the session ended: {output}"
            output += line
        return output.partition(end)[0].strip()
