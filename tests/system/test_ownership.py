# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a container is, and how it becomes somebody else's (A16)."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.support.box import default_container, refused
from tests.system.support.bus import status
from tests.system.support.polkit import allowed
from tests.system.support.users import User, incus

BUSYBOX = ("--image", "local:busybox")


@pytest.fixture
def carol() -> Iterator[User]:
    """A user who may be removed."""
    subprocess.run(["useradd", "-m", "-u", "1042", "-s", "/bin/bash", "carol"], check=True)
    yield User("carol")
    subprocess.run(["userdel", "-r", "carol"], capture_output=True)
    for name in json.loads(incus("query", "/1.0/instances")):
        if instance(name.rpartition("/")[2])["config"].get("user.kapsule.owner") == "1042":
            incus("delete", "--force", name.rpartition("/")[2])


def instance(name: str) -> dict[str, Any]:
    """Return an instance as Incus has it."""
    found: dict[str, Any] = json.loads(incus("query", f"/1.0/instances/{name}"))
    return found


@pytest.mark.main
def test_another_owner(alice: User, bob: User, small: str) -> None:
    """What alice shared is gone; bob is set up at his next enter, and alice is out."""
    assert alice.kapsule("mount", small, "/srv").code == 0
    assert alice.kapsule("enter", small, "--", "true").code == 0
    refused(alice.kapsule("chown", small, "bob"), "is running", "kapsule stop")
    assert alice.kapsule("stop", "--force", small).code == 0
    result = alice.kapsule("chown", small, "bob")
    assert result.code == 0, result.error
    assert "/srv" in result.error
    assert "the home directory" in result.error
    now = instance(small)
    assert now["config"]["user.kapsule.owner"] == "1001"
    assert "/home/alice" not in str(now["devices"])
    assert "/srv" not in str(now["devices"])
    assert "1000" not in str({key: now["config"][key] for key in now["config"] if "kapsule" in key})
    assert bob.kapsule("list", "--names").text == small
    assert small not in alice.kapsule("list", "--names").text.split()
    assert bob.kapsule("enter", small, "--", "id", "-un").text == "bob"
    refused(alice.kapsule("enter", small), "belongs to another user", code=125)


def test_another_owner_of_an_isolated_one(alice: User, bob: User, fresh_name: str) -> None:
    """The ids that are the same inside are the new owner's, and the old one's files are not."""
    image = ("--image", "local:debian")
    create = ("create", fresh_name, *image, "--trust", "project", "--custom-mounts", "~/given")
    alice.run("sh", "-c", "mkdir -p given; touch given/secret")
    result = alice.kapsule(*create)
    assert result.code == 0, result.error
    assert alice.kapsule("stop", "--force", fresh_name).code == 0
    assert alice.kapsule("chown", fresh_name, "bob").code == 0
    config = instance(fresh_name)["config"]
    assert config["raw.idmap"] == "uid 1001 1001\ngid 1001 1001"
    assert config["security.privileged"] == "false"
    assert "user.kapsule.custom-mounts" not in config
    result = bob.kapsule("enter", fresh_name, "--", "id", "-un")
    assert result.text == "bob", result.error
    find = ("--", "find", "/home/alice", "-name", "secret")
    assert bob.kapsule("enter", "--root", fresh_name, *find).out == b""
    ids = incus("exec", fresh_name, "--", "cat", "/proc/self/uid_map")
    assert ["1001", "1001", "1"] in [line.split() for line in ids.splitlines()]
    assert not any(line.split()[1] == "1000" for line in ids.splitlines())
    alice.run("rm", "-r", "given")


def test_ids_for_what_is_isolated(alice: User, carol: User, fresh_name: str) -> None:
    """Whether the new owner's ids are needed is not for what others wrote down to say."""
    create = ("create", fresh_name, "--image", "local:debian", "--trust", "project")
    assert alice.kapsule(*create).code == 0
    incus("config", "set", fresh_name, "user.kapsule.privileged=true")
    assert alice.kapsule("stop", "--force", fresh_name).code == 0
    result = alice.kapsule("chown", fresh_name, "carol")
    assert result.code == 0, result.error
    for file in ("subuid", "subgid"):
        assert "root:1042:1" in Path("/etc", file).read_text().splitlines()
    assert carol.kapsule("enter", fresh_name, "--", "id", "-un").text == "carol"


def test_only_administrators_give(bob: User, alice: User, fresh_name: str) -> None:
    """Not even the owner, who could fill up another one's share with what is theirs."""
    with allowed(bob, "create-privileged"):
        assert bob.kapsule("create", fresh_name, *BUSYBOX).code == 0
    assert bob.kapsule("stop", "--force", fresh_name).code == 0
    refused(bob.kapsule("chown", fresh_name, "alice"), "may not manage containers of other users")
    assert instance(fresh_name)["config"]["user.kapsule.owner"] == "1001"
    failed = alice.kapsule("chown", fresh_name, "4242")
    assert "There is no account with uid 4242" in failed.error
    assert instance(fresh_name)["config"]["user.kapsule.owner"] == "1001"
    with allowed(bob, "manage-others"):
        assert bob.kapsule("chown", fresh_name, "alice").code == 0
    refused(bob.kapsule("chown", fresh_name, "bob"), "does not exist")


def test_an_owner_who_is_gone(alice: User, bob: User, carol: User, fresh_name: str) -> None:
    """Their containers are listed by uid, and can be stopped, given away and removed."""
    others = [fresh_name, fresh_name + "x"]
    with allowed(carol, "create-privileged"):
        for name in others:
            assert carol.kapsule("create", name, *BUSYBOX).code == 0
    subprocess.run(["userdel", "-r", "carol"], check=True, capture_output=True)
    rows = json.loads(alice.kapsule("list", "--all-users", "--json").text)
    assert {(row["owner"], row["uid"]) for row in rows if row["name"] in others} == {("", 1042)}
    assert alice.kapsule("list", "--all-users").text.count("1042") == 2
    for words in (("info",), ("stop", "--force")):
        result = alice.kapsule(*words, fresh_name)
        assert result.code == 0, result.error
    assert alice.kapsule("chown", fresh_name, "bob").code == 0
    assert bob.kapsule("enter", fresh_name, "--", "id", "-un").text == "bob"
    assert alice.kapsule("rm", "--force", others[1]).code == 0
    assert status(others[1]) is None


def test_two_users_with_one_default_name(bob: User, carol: User, fresh_name: str) -> None:
    """Users whom polkit lets create get a container each, and each their own (A16)."""
    with (
        default_container(bob, fresh_name, "local:busybox"),
        default_container(carol, fresh_name, "local:busybox"),
    ):
        for user in (bob, carol):
            with allowed(user, "create-privileged"):
                result = user.kapsule("enter", "--", "id", "-un")
            assert result.text == user.name, result.error
        assert bob.kapsule("list", "--names").text == fresh_name
        assert carol.kapsule("list", "--names").text == f"{fresh_name}-carol"
        for user in (bob, carol):
            assert user.kapsule("enter", "--", "id", "-un").text == user.name
