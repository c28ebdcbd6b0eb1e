# SPDX-License-Identifier: GPL-3.0-or-later
"""Kapsule's peers, where they are installed: podman, and distrobox on top of it.

They run containers of alice's from the same guest image, rootless, as people use them.
"""

import io
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.measure import Contender, timed
from benchmarks.stage import ALICE, IMAGE, incus

NOT_THERE = "not here"

_NAME = "bench-peer"
# What distrobox would otherwise install over the network at the first enter.
_WANTED_BY_DISTROBOX = ("bc", "curl", "less", "lsof", "pinentry", "time", "wget")
_STUB = b"#!/bin/sh\n"
_PATIENCE = 10.0  # seconds for alice's service manager to come up


@contextmanager
def running() -> Iterator[Sequence[Contender]]:
    """Give the contenders that work here, each with a container that runs."""
    if not shutil.which("podman"):
        yield ()
        return
    _prepare_host()
    _import_image()
    yield tuple(_that_work(_podman, _distrobox))
    _alice("podman", "rm", "--all", "--force", "--time", "0")


def _that_work(*peers: Callable[[], Contender]) -> Iterator[Contender]:
    for peer in peers:
        try:
            yield peer()
        except (OSError, RuntimeError) as error:
            print(f"bench: {error}", file=sys.stderr)


def _podman() -> Contender:
    _alice("podman", "run", "--detach", "--network=host", "--name", _NAME, _NAME, "sleep", "1d")
    return _timed("podman", "podman", "exec", _NAME, "true")


def _distrobox() -> Contender:
    name = f"{_NAME}-distrobox"
    _alice("distrobox", "create", "--yes", "--image", f"localhost/{_NAME}", "--name", name)
    _alice("distrobox", "enter", name, "--", "true")
    return _timed("distrobox", "distrobox", "enter", name, "--", "true")


def _session() -> dict[str, str]:
    """Return what a login session adds to the environment, and how podman is to store files.

    The box is an overlay, on which podman cannot put its own; running containers do not care.
    """
    runtime = f"/run/user/{ALICE.account.pw_uid}"
    return {
        "XDG_RUNTIME_DIR": runtime,
        "DBUS_SESSION_BUS_ADDRESS": f"unix:path={runtime}/bus",
        "STORAGE_DRIVER": "vfs",
    }


def _timed(figure: str, *command: str) -> Contender:
    return timed(figure, ALICE, *command, env=ALICE.environment(_session()))


def _alice(*command: str) -> None:
    result = ALICE.run(*command, env=_session())
    if result.code != 0:
        raise RuntimeError(f"{' '.join(command)}: {result.error}")


def _prepare_host() -> None:
    """Give alice subordinate ids and a user manager; the box has no pids controller."""
    for table in ("/etc/subuid", "/etc/subgid"):
        with open(table, "a") as file:
            file.write(f"{ALICE.name}:100000:65536\n")
    Path("/etc/containers/containers.conf").write_text("[containers]\npids_limit=0\n")
    subprocess.run(["loginctl", "enable-linger", ALICE.name], check=True)
    deadline = time.monotonic() + _PATIENCE
    while not Path(_session()["XDG_RUNTIME_DIR"], "bus").exists():
        if time.monotonic() > deadline:
            raise RuntimeError("alice's service manager does not come up")
        time.sleep(0.1)


def _import_image() -> None:
    with TemporaryDirectory() as folder:
        incus("image", "export", IMAGE, f"{folder}/image")
        archive = Path(f"{folder}/image.root")
        _add_stubs(archive)
        Path(folder).chmod(0o755)
        _alice("podman", "import", "--quiet", str(archive), _NAME)


def _add_stubs(archive: Path) -> None:
    """Add empty programs to the tar file for those that are missing in it."""
    with tarfile.open(archive, "a:") as tar:
        present = set(tar.getnames())
        for name in _WANTED_BY_DISTROBOX:
            member = tarfile.TarInfo(f"./usr/bin/{name}")
            if member.name not in present:
                member.mode, member.size = 0o755, len(_STUB)
                tar.addfile(member, io.BytesIO(_STUB))
