# SPDX-License-Identifier: GPL-3.0-or-later
"""Who attacks: root inside a container, or for comparison the host's root."""

import json
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.system.attacks.attack import Refused
from tests.system.support.users import User

_HERE = Path(__file__).parent
INSIDE = "/opt/attacker"
_MOUNTING = ("mounts.", "cgroups.")
_AGENT = ("-S", "-B", "-m", "inside.agent")


class Actor:
    """An agent that makes the calls of `inside`, each in a process of its own.

    level: of the container, "" on the host. name: the container's.
    """

    def __init__(self, process: "subprocess.Popen[bytes]", level: str = "", name: str = "") -> None:
        self._process = process
        self.level = level
        self.name = name
        self._is_gone = False
        self._expect_ready()

    @property
    def is_host(self) -> bool:
        """Whether it is the host's own root."""
        return not self.name

    @property
    def is_alive(self) -> bool:
        """Whether it still answers."""
        return not self._is_gone and self._process.poll() is None

    def __call__(
        self, call: str, *arguments: Any, uid: int = 0, private: bool | None = None
    ) -> Any:
        """Return what a function of `inside` returns.

        call: "module.function". uid: who makes it. private: whether its mounts are its own; None:
        where the function is one that mounts.
        Raises Refused with the system's reason.
        """
        if private is None:
            private = call.startswith(_MOUNTING)
        request = {"call": call, "arguments": arguments, "uid": uid, "private": private}
        assert self._process.stdin
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        answer = json.loads(self._line())
        assert "bug" not in answer, answer["bug"]
        if "refused" in answer:
            raise Refused(answer["refused"])
        return answer["value"]

    def close(self) -> None:
        """End it."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def _expect_ready(self) -> None:
        line = self._line()
        assert line == b"ready\n", line

    def _line(self) -> bytes:
        assert self._process.stdout
        line = self._process.stdout.readline()
        self._is_gone = not line
        return line or b'{"refused": "the attacker was killed"}'


def on_host() -> Actor:
    """Return an actor that is the host's root."""
    return Actor(_start([sys.executable, *_AGENT], str(_HERE)))


def in_container(owner: User, name: str, level: str) -> Actor:
    """Return an actor that is root in a container, by `kapsule enter`; `equip` comes before."""
    command = ("kapsule", "enter", "--root", name, "--", f"{INSIDE}/run", *_AGENT)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    process = owner.popen(*command, **pipes)
    return Actor(process, level, name)


def _start(command: Sequence[str], directory: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command, cwd=directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=True
    )


def equip(name: str) -> None:
    """Bring a Python and our programs into a container: guests have none."""
    script = (
        f"mkdir -p {INSIDE} && tar -x -C {INSIDE} && "
        f"printf '#!/bin/sh\\ncd {INSIDE} && PYTHONHOME={INSIDE}/usr LD_LIBRARY_PATH={INSIDE}/lib "
        f'exec {INSIDE}/python "$@"\\n\' > {INSIDE}/run && chmod +x {INSIDE}/run'
    )
    unpack = ["incus", "exec", name, "--", "sh", "-c", script]
    with subprocess.Popen(_pack(), stdout=subprocess.PIPE) as packing:
        subprocess.run(unpack, stdin=packing.stdout, check=True)
    assert packing.returncode == 0


def _pack() -> list[str]:
    """Return the command that writes the archive: the host's own Python, which fits the guest's."""
    program = Path(sys.executable).resolve()
    library = Path(sysconfig.get_path("stdlib"))
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    loaded = [word for word in listed.split() if word.startswith("/")]
    needed = [word for word in loaded if not Path(word).name.startswith(("libc.", "libm.", "ld-"))]
    found = sorted(Path(loaded[0]).parent.glob("libffi.so.*"))
    renamed = [
        f"s|^{str(program)[1:]}$|python|",
        *(f"s|^{str(file)[1:]}$|lib/{Path(file).name}|" for file in [*needed, *map(str, found)]),
        f"s|^{str(_HERE)[1:]}/inside|inside|",
    ]
    return [
        *("tar", "-c", "-h", "-C", "/", "--exclude=__pycache__", "--exclude=test"),
        *("--exclude=idlelib", "--exclude=config-*", "--exclude=dist-packages"),
        *(f"--transform={each}" for each in renamed),
        *(str(path)[1:] for path in (program, library, *needed, *found, _HERE / "inside")),
    ]
