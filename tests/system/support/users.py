# SPDX-License-Identifier: GPL-3.0-or-later
"""Run programs as the users of the box, as a login of theirs would."""

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"

_ATTEMPTS = 3
_MARK = "\n-- all of it --\n"
_WITH_MARK = "trap 'echo; echo -- all of it --' EXIT; \"$@\""


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended; output as bytes, and as text."""

    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """Standard output without the blanks around it."""
        return self.out.decode(errors="replace").strip()

    @property
    def error(self) -> str:
        """Standard error."""
        return self.err.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class User:
    """A user of the box."""

    name: str

    @property
    def account(self) -> pwd.struct_passwd:
        """The user's line in the user database."""
        return pwd.getpwnam(self.name)

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return what a fresh login of the user has, and extra."""
        base = {"HOME": self.account.pw_dir, "USER": self.name, "PATH": PATH, "LANG": "C.UTF-8"}
        return base | dict(extra or {})

    def credentials(self) -> dict[str, Any]:
        """Return the arguments by which subprocess runs a program as this user."""
        account = self.account
        groups = os.getgrouplist(self.name, account.pw_gid)
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": groups}

    def run(
        self,
        *command: str,
        data: bytes = b"",
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        timeout: float = 120,
    ) -> Result:
        """Run a command with pipes for all three streams; data is its standard input."""
        done = subprocess.run(
            command,
            input=data,
            capture_output=True,
            env=self.environment(env),
            cwd=cwd or self.account.pw_dir,
            timeout=timeout,
            **self.credentials(),
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def popen(self, *command: str, **arguments: Any) -> "subprocess.Popen[bytes]":
        """Start a command as subprocess.Popen does."""
        return subprocess.Popen(
            command,
            env=self.environment(arguments.pop("env", None)),
            cwd=self.account.pw_dir,
            **self.credentials(),
            **arguments,
        )

    def kapsule(self, *words: str, **arguments: Any) -> Result:
        """Run `kapsule` with these words."""
        return self.run("kapsule", *words, **arguments)


def in_container(name: str, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as a container's root, by Incus. It should be one that can be run twice.

    Now and then, on a busy machine, `incus exec` loses all that was written and reports success. So
    a mark is written behind it, and where that is missing the command is run again.
    """
    command = ("incus", "exec", name, "-T", "--", "sh", "-c", _WITH_MARK, "sh", *words)
    for _ in range(_ATTEMPTS):
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode or done.stdout.endswith(_MARK):
            break
    done.stdout = done.stdout.removesuffix(_MARK)
    return done


def incus(*words: str, check: bool = True) -> str:
    """Run `incus` as root and return its output."""
    command: Sequence[str] = ("incus", *words)
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout
