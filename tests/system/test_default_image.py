# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian image that Kapsule builds itself, which scripts/test put into build/image."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.system.support.users import User, incus

SOURCE = "/src/build/image"
ALIAS = "built-here"
NAME = "from-built-here"


@pytest.fixture(scope="module")
def container(alice: User) -> Iterator[str]:
    """A container of alice's from the image."""
    subprocess.run(["/src/images/import", SOURCE, ALIAS], check=True)
    created = alice.kapsule("create", NAME, "--image", f"local:{ALIAS}")
    assert created.code == 0, created.error
    yield NAME
    alice.kapsule("rm", "--force", NAME)
    incus("image", "delete", ALIAS)


def _in(container: str, user: User, *command: str) -> str:
    result = user.kapsule("enter", container, "--", *command)
    assert result.code == 0, result.error
    return result.text


def test_it_boots_without_a_failure(container: str, alice: User) -> None:
    """systemd gets up completely, and no unit fails."""
    assert _in(container, alice, "systemctl", "is-system-running", "--wait") == "running"


def test_nobody_can_write_where_only_root_may(container: str, alice: User) -> None:
    """No directory is open to all but the sticky ones, not even the topmost."""
    assert _in(container, alice, "stat", "-c", "%a %U", "/", "/tmp").split("\n") == [
        "755 root",
        "1777 root",
    ]
    search = ("sudo", "find", "/", "-xdev", "-type", "d", "-perm", "-2", "!", "-perm", "-1000")
    assert _in(container, alice, *search) == ""


def test_a_person_finds_what_they_expect(container: str, alice: User) -> None:
    """There is sudo without a password, a UTF-8 locale, and an apt that knows its packages."""
    assert _in(container, alice, "sudo", "-n", "id", "-u") == "0"
    assert "C.utf8" in _in(container, alice, "locale", "-a")
    sources = "grep -hs ^deb /etc/apt/sources.list; apt-config dump >/dev/null"
    assert "main" in _in(container, alice, "sh", "-c", sources)


def test_its_name_is_the_containers(container: str, alice: User) -> None:
    """Each container is told its own name, and has a machine id of its own."""
    assert _in(container, alice, "hostname") == NAME
    assert len(_in(container, alice, "cat", "/etc/machine-id")) == 32


def _uploaded() -> str:
    return next(line for line in incus("image", "info", ALIAS).splitlines() if "Uploaded" in line)


def test_importing_it_again_changes_nothing(container: str) -> None:
    """The alias already stands for it."""
    before = _uploaded()
    subprocess.run(["/src/images/import", SOURCE, ALIAS], check=True)
    assert _uploaded() == before
