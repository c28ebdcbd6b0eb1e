# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may do what, by the real polkit and its defaults. bob is in no group of Incus's."""

import subprocess
from subprocess import PIPE

import pytest

from kapsule.errors import Busy, NotAuthorized, NotSupported
from tests.system.support.box import (
    configured_machine,
    default_container,
    instances,
    refused,
    restart_daemon,
)
from tests.system.support.bus import carry_out, connect, status
from tests.system.support.polkit import allowed, at_the_seat, without_polkit
from tests.system.support.users import User, incus

BUSYBOX = ("--image", "local:busybox")


@pytest.fixture
def of_bob(bob: User, fresh_name: str) -> str:
    """A running container of bob's, who may do nothing out of the ordinary any more."""
    with allowed(bob, "create-privileged"):
        result = bob.kapsule("create", fresh_name, *BUSYBOX)
    assert result.code == 0, result.error
    return fresh_name


@pytest.mark.main
def test_a_user_without_incus(bob: User, fresh_name: str) -> None:
    """Once somebody may create a container, all else that is theirs needs nothing more."""
    assert "incus" not in bob.run("id", "-nG").text
    with allowed(bob, "create-privileged"):
        assert bob.kapsule("create", fresh_name, *BUSYBOX).code == 0
    for words in (("enter", fresh_name, "--", "id", "-un"), ("list", "--names")):
        result = bob.kapsule(*words)
        assert result.code == 0, result.error
        assert result.text in ("bob", fresh_name)
    for verb in (["info"], ["stop", "--force"], ["start"], ["restart", "--force"]):
        result = bob.kapsule(*verb, fresh_name)
        assert result.code == 0, result.error
    assert bob.kapsule("mount", fresh_name, "/srv").code == 0
    assert bob.kapsule("unmount", fresh_name, "/srv").code == 0
    assert bob.kapsule("rm", "--force", fresh_name).code == 0
    assert fresh_name not in instances()


@pytest.mark.main
@pytest.mark.parametrize("where", ["away", "seat"])
def test_what_nobody_may_unasked(bob: User, fresh_name: str, where: str) -> None:
    """Neither from away nor at the machine: it needs an administrator's authentication."""
    for action, *words in (
        ("create-privileged", "create", fresh_name, *BUSYBOX),
        ("manage-others", "list", "--all-users"),
        ("manage-images", "image", "refresh"),
        ("manage-images", "image", "delete", "debian"),
        ("import-image", "image", "import", "/srv"),
    ):
        run = bob.run if where == "away" else lambda *words: at_the_seat(bob, *words)
        result = run("kapsule", *words)
        refused(result, "User 'bob' may not", f"org.kde.kapsule.{action}")
    assert fresh_name not in instances()


@pytest.mark.main
def test_who_sits_at_the_machine(bob: User, fresh_name: str) -> None:
    """They may have a container that is isolated, unasked; not one that is not, nor later."""
    create = ("create", fresh_name, "--image", "local:debian", "--trust", "sealed")
    refused(bob.kapsule(*create), "may not create a container", "org.kde.kapsule.create-isolated")
    for wish in ("--privileged", "--trust=full", "--trust=home"):
        result = at_the_seat(bob, "kapsule", *create, wish)
        refused(result, "User 'bob' may not", "org.kde.kapsule.create-privileged")
    result = at_the_seat(bob, "kapsule", *create)
    assert result.code == 0, result.error
    assert bob.kapsule("enter", fresh_name, "--", "id", "-un").text == "bob"
    assert bob.kapsule("list", "--names").text == fresh_name
    assert bob.kapsule("trust", fresh_name).code == 0
    result = at_the_seat(bob, "kapsule", "trust", "--yes", fresh_name, "full")
    refused(result, "User 'bob' may not change how far a container is trusted")
    assert incus("config", "get", fresh_name, "security.privileged").strip() == "false"


def test_each_action_is_for_its_own(bob: User, fresh_name: str) -> None:
    """What one action allows, no other call gets."""
    with allowed(bob, "create-isolated", "manage-images", "import-image", "change-trust"):
        refused(bob.kapsule("create", fresh_name, *BUSYBOX), "may not create a container")
        refused(bob.kapsule("list", "--all-users"), "may not manage containers of other users")
        with connect(bob) as bus:
            for member, signature, body in (
                ("RefreshImages", "s", ("",)),
                ("DeleteImage", "s", ("x",)),
                ("ImportImage", "ss", ("/root/secret", "x")),
            ):
                with pytest.raises(NotSupported):
                    bus.call(member, signature, body)


def test_what_decides_is_asked_before_what_cannot_be(bob: User) -> None:
    """Nobody learns from an import whether a path of root's exists (A17)."""
    answers = set()
    with connect(bob) as bus:
        for path in ("/root", "/nowhere"):
            with pytest.raises(NotAuthorized) as raised:
                bus.import_image(path, "x")
            answers.add(raised.value.to_text())
    assert len(answers) == 1


def test_an_administrator_may_tighten_it(bob: User, of_bob: str) -> None:
    """A rule can forbid users to change their own; they may still see and enter it."""
    with allowed(bob, "manage-own", result="NO"):
        for verb in ("start", "stop", "restart", "rm"):
            refused(bob.kapsule(verb, of_bob), "User 'bob' may not change a container")
        refused(bob.kapsule("mount", of_bob, "/srv"), "may not change a container")
        assert bob.kapsule("list", "--names").text == of_bob
        assert bob.kapsule("enter", of_bob, "--", "id", "-un").text == "bob"
    assert status(of_bob) == "Running"


def test_a_permission_that_is_taken_back(bob: User, fresh_name: str) -> None:
    """It does not outlive the rule: nothing is remembered."""
    with allowed(bob, "create-privileged"):
        assert bob.kapsule("create", fresh_name, *BUSYBOX).code == 0
    refused(bob.kapsule("create", fresh_name + "x", *BUSYBOX), "may not create a container")


def test_entering_the_default_container_is_creating_it(bob: User, fresh_name: str) -> None:
    """Only while there is none."""
    with default_container(bob, fresh_name, "local:busybox"):
        refused(bob.kapsule("enter"), "may not create a container", code=125)
        with allowed(bob, "create-privileged"):
            result = bob.kapsule("enter", "--", "id", "-un")
            assert result.text == "bob", result.error
        assert bob.kapsule("enter", "--", "id", "-un").text == "bob"


def test_without_polkit(bob: User, alice: User, of_bob: str, container: str) -> None:
    """Root and the admin group go on. Everybody enters what is theirs; the rest is refused."""
    with without_polkit():
        refused(bob.kapsule("stop", of_bob), "polkit is not there", "Install polkit")
        refused(bob.kapsule("create", of_bob + "x", *BUSYBOX), "polkit is not there")
        assert bob.kapsule("enter", of_bob, "--", "id", "-un").text == "bob"
        assert alice.kapsule("start", container).code == 0
        assert alice.kapsule("list", "--all-users").text.count(of_bob) == 1


def test_membership_of_the_process_does_not_count(bob: User, fresh_name: str) -> None:
    """The user database says who is an administrator, not what a process has or claims (A14)."""
    script = f"kapsule create {fresh_name} --image local:busybox"
    command = ["setpriv", "--reuid=bob", "--regid=incus-admin", "--groups=incus-admin,sudo", "--"]
    done = subprocess.run([*command, "sh", "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert "User 'bob' may not create a container" in done.stderr
    assert fresh_name not in instances()


def test_a_caller_that_becomes_another_program(bob: User, alice: User, fresh_name: str) -> None:
    """What counts is who came to the bus: the process may be somebody else's by now (A14)."""
    program = (
        "import os, sys; sys.path[:0] = ['/usr/lib/kapsule/python', '/usr/lib/kapsule-test-deps'];"
        "from kapsule.client.bus import Bus; from kapsule.errors import KapsuleError\n"
        "os.setresuid(1001, 1001, 0); bus = Bus(); os.setresuid(0, 0, 0)\n"
        f"try: bus.create_container('{fresh_name}', 'local:busybox', {{}})\n"
        "except KapsuleError as error: print(error.message)"
    )
    done = subprocess.run(["/usr/bin/python3", "-c", program], capture_output=True, text=True)
    assert "User 'bob' may not create a container" in done.stdout, done.stderr


def test_a_limit_for_containers(bob: User, alice: User, fresh_name: str) -> None:
    """One more than the machine allows is refused; administrators have no limit (A16)."""
    names = [f"{fresh_name}-{number}" for number in range(3)]
    with configured_machine("max_containers = 1"), allowed(bob, "create-privileged"):
        running = [
            bob.popen("kapsule", "create", name, *BUSYBOX, stderr=subprocess.PIPE)
            for name in names[:2]
        ]
        ends = [(each.communicate()[1].decode(), each.returncode) for each in running]
        assert sorted(code for _, code in ends) == [0, 1]
        (failed,) = [text for text, code in ends if code]
        assert "User 'bob' may have 1 containers, and has them" in failed
        assert "max_containers" in failed
        for name in names:
            result = alice.kapsule("create", name, *BUSYBOX)
            assert result.code == 0 or "already exists" in result.error
    for name in names:
        incus("delete", "--force", name, check=False)


def test_a_limit_for_operations(bob: User, of_bob: str) -> None:
    """It is the machine's; others are not held up."""
    with configured_machine("max_operations = 1"), connect(bob) as bus:
        path = bus.restart_container(of_bob)
        with pytest.raises(Busy, match="has 1 operations running already"):
            bus.start_container(of_bob)
        bus.cancel(path)
    carry_out_start(bob, of_bob)


def test_a_limit_for_sessions(alice: User, container: str) -> None:
    """One more is refused, as oneself or as root in it, also by a daemon that was restarted."""
    words = ("kapsule", "enter", container, "--", "sh", "-c", "echo in; read line")
    with configured_machine("max_sessions = 2"):
        running = [alice.popen(*words, stdin=PIPE, stdout=PIPE) for _ in range(2)]
        assert [each.stdout.readline() for each in running if each.stdout] == [b"in\n"] * 2
        text = "You have 2 sessions in containers already"
        for options in ((), ("--root",)):
            assert text in alice.kapsule("enter", *options, container, "--", "true").error
            restart_daemon()
        for each in running:
            each.communicate()
        assert alice.kapsule("enter", container, "--", "true").code == 0


def carry_out_start(user: User, name: str) -> None:
    """Start a container, which may run."""
    with connect(user) as bus:
        carry_out(bus, "StartContainer", "s", name)
