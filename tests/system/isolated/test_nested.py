# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers in an isolated container: user namespaces in its user namespace."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.isolated.guest import Guest, folder
from tests.system.support.backend import wait_for_boot
from tests.system.support.users import Result, User
from tests.system.test_nested import SETTINGS

_HELLO = ("bb", "/bin/echo", "hello")


@pytest.fixture(scope="module")
def image(alice: User) -> Iterator[Path]:
    """A folder of alice's with an image for Podman: BusyBox alone."""
    path, tree = folder(alice, "podman-image"), Path("/tmp/isolated-bb")
    (tree / "bin").mkdir(parents=True)
    subprocess.run(["cp", "/bin/busybox", tree / "bin/busybox"], check=True)
    for applet in ("echo", "id"):
        (tree / "bin" / applet).symlink_to("busybox")
    subprocess.run(["tar", "-C", tree, "-cf", path / "bb.tar", "."], check=True)
    yield path
    shutil.rmtree(path)
    shutil.rmtree(tree)


@pytest.fixture(scope="module")
def nesting(alice: User, image: Path) -> Iterator[Guest]:
    """An isolated container with Podman and the image."""
    guest = Guest("isolated-nested", alice)
    guest.create("--custom-mounts", f"{image}:ro", image="desktop")
    asyncio.run(wait_for_boot(guest.name))  # until then it clears its temporary directories
    guest.as_root(f"cat > /etc/containers/containers.conf <<'END'\n{SETTINGS}END")
    for who in ((), ("--root",)):
        imported = _podman(guest, "import", f"{image}/bb.tar", "bb", who=who)
        assert imported.code == 0, imported.error
    yield guest
    guest.delete()


def _podman(guest: Guest, *words: str, who: tuple[str, ...] = ()) -> Result:
    return guest.user.kapsule("enter", *who, guest.name, "--", "podman", *words)


@pytest.mark.parametrize("network", ["none", "host", "slirp4netns"])
def test_rootless_podman(nesting: Guest, network: str) -> None:
    """The user runs containers without being root, with each kind of network."""
    result = _podman(nesting, "run", "--rm", f"--network={network}", *_HELLO)
    assert (result.code, result.text) == (0, "hello"), result.error


@pytest.mark.main
def test_rootless_podman_keeps_the_user(nesting: Guest) -> None:
    """With subordinate ids, which the container has enough of, and the user's own."""
    words = ("run", "--rm", "--userns=keep-id", "--network=none", "bb", "/bin/id", "-u")
    assert _podman(nesting, *words).text == "1000"


def test_podman_of_root(nesting: Guest) -> None:
    """Root of the container runs containers, too."""
    words = ("run", "--rm", "--network=none", "--cgroups=disabled", *_HELLO)
    result = _podman(nesting, *words, who=("--root",))
    assert (result.code, result.text) == (0, "hello"), result.error
