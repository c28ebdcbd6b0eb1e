# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker in a container, as Debian packages it and without any setting of its own."""

import asyncio
import subprocess
from collections.abc import Iterator

import pytest

from tests.system.support.backend import wait_for_boot
from tests.system.support.users import Result, User, incus
from tests.system.test_nested import busybox_image

NAME = "nested-docker"
ROOT = ("--root",)
# A box lets no container raise limits or have all capabilities, so it runs no privileged ones.
HELLO = ("bb", "/bin/echo", "hello")


@pytest.fixture(scope="module")
def guest(alice: User) -> Iterator[str]:
    """A container whose systemd has started Docker's daemon, which has an image."""
    words = ("create", NAME, "--image", "local:docker", "--no-mount-home", "--no-gpu")
    result = alice.kapsule(*words)
    assert result.code == 0, result.error
    try:
        assert asyncio.run(wait_for_boot(NAME)) == "running"
        with busybox_image(alice) as archive:
            imported = _docker(alice, "import", f"/.kapsule/host{archive}", "bb", who=ROOT)
        assert imported.code == 0, imported.error
        yield NAME
    finally:
        incus("delete", "--force", NAME, check=False)
        _clean_up()


def _docker(user: User, *words: str, who: tuple[str, ...] = ()) -> Result:
    return user.kapsule("enter", *who, NAME, "--", "docker", *words)


def _clean_up() -> None:
    """Take away what Docker has made in the network that the container shares with the box."""
    subprocess.run(["ip", "link", "delete", "docker0"], stderr=subprocess.DEVNULL)
    for family in ("ip", "ip6"):
        for table in ("nat", "filter"):
            command = ["nft", "delete", "table", family, table]
            subprocess.run(command, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("network", ["none", "host", "bridge"])
def test_docker_of_root(alice: User, guest: str, network: str) -> None:
    """Root runs containers, with each kind of network."""
    result = _docker(alice, "run", "--rm", f"--network={network}", *HELLO, who=ROOT)
    assert (result.code, result.text) == (0, "hello"), result.error


def test_docker_of_the_user(alice: User, guest: str) -> None:
    """Who is in the guest's group `docker` needs no sudo; who is not is refused."""
    words = ("run", "--rm", "--network=none", *HELLO)
    refused = _docker(alice, *words)
    assert "permission denied" in refused.error
    joined = alice.kapsule("enter", *ROOT, guest, "--", "usermod", "-aG", "docker", alice.name)
    assert joined.code == 0, joined.error
    result = _docker(alice, *words)
    assert (result.code, result.text) == (0, "hello"), result.error


def test_a_container_in_the_background(alice: User, guest: str) -> None:
    """Containers run on, are looked into, and end."""
    started = _docker(
        alice,
        "run",
        "-d",
        "--name=bg",
        "--network=none",
        "bb",
        "/bin/sh",
        "-c",
        "while :; do echo tick; read -t 1 x; done",
        who=ROOT,
    )
    assert started.code == 0, started.error
    looked = _docker(alice, "exec", "bg", "/bin/id", "-u", who=ROOT)
    assert (looked.code, looked.text) == (0, "0"), looked.error
    assert _docker(alice, "rm", "--force", "bg", who=ROOT).code == 0
