# SPDX-License-Identifier: GPL-3.0-or-later
"""Containers that are not simply running, guests that are unusual, and who may enter."""

import subprocess
import time

import pytest

from tests.system.support.users import User, incus


def _status(name: str) -> str:
    return incus("list", "--format", "csv", "--columns", "s", f"^{name}$").strip()


@pytest.mark.main
def test_a_stopped_container_is_started(alice: User, fresh_name: str) -> None:
    """Enter is enough, and works at once after the start."""
    assert alice.kapsule("create", fresh_name, "--image", "local:debian").code == 0
    assert alice.kapsule("stop", fresh_name).code == 0
    assert _status(fresh_name) == "STOPPED"
    assert alice.kapsule("enter", fresh_name, "--", "id", "-un").text == "alice"


def test_a_frozen_container_is_thawed(alice: User, fresh_name: str) -> None:
    """Frozen by whomever."""
    assert alice.kapsule("create", fresh_name, "--image", "local:debian").code == 0
    incus("pause", fresh_name)
    assert alice.kapsule("enter", fresh_name, "--", "echo", "thawed").text == "thawed"


def test_enter_right_after_a_restart(alice: User, fresh_name: str) -> None:
    """What was known of the run before is not used for the new one."""
    assert alice.kapsule("create", fresh_name, "--image", "local:debian").code == 0
    for _ in range(3):
        assert alice.kapsule("enter", fresh_name, "--", "id", "-un").text == "alice"
        incus("restart", "--force", fresh_name)


@pytest.mark.main
def test_the_default_container_is_made(alice: User) -> None:
    """`kapsule enter ""` makes it where it is missing, and says so; its name is everybody's own."""
    config = "mkdir -p ~/.config/kapsule; printf '[kapsule]\\ndefault_image = local:debian\\n' > "
    alice.run("sh", "-c", config + "~/.config/kapsule/kapsule.conf")
    name = alice.kapsule("config", "default_container").text.split()[-1]
    try:
        result = alice.kapsule("enter", "", "--", "hostname")
        assert result.text == name
        assert result.error != ""
        assert alice.kapsule("enter", "--", "hostname").text == name
    finally:
        incus("delete", "--force", name, check=False)
        alice.run("rm", "-r", ".config/kapsule")


def test_two_users_have_two_default_containers(alice: User, root: User, bob: User) -> None:
    """The second user's default has another name once the first has taken it."""
    wanted = alice.kapsule("config", "default_container").text.split()[-1]
    assert alice.kapsule("create", wanted, "--image", "local:debian").code == 0
    try:
        assert alice.kapsule("config", "default_container").text.split()[-1] == wanted
        other = bob.kapsule("config", "default_container").text.split()[-1]
        assert other != wanted
        assert "bob" in other
    finally:
        alice.kapsule("rm", "--force", wanted)


@pytest.mark.parametrize("words", [("enter", "{}", "--", "id"), ("rm", "-f", "{}"), ("stop", "{}")])
def test_another_users_container(bob: User, container: str, words: tuple[str, ...]) -> None:
    """Nobody but the owner and root enters, changes or removes it."""
    result = bob.kapsule(*(word.format(container) for word in words))
    assert result.code in (1, 125)
    assert result.out == b""
    assert _status(container) == "RUNNING"


def test_root_may_enter(root: User, container: str) -> None:
    """Root of the host is root in the guest."""
    assert root.kapsule("enter", container, "--", "id", "-u").text == "0"


def test_foreign_instances_are_not_touched(alice: User, root: User, fresh_name: str) -> None:
    """What Kapsule did not make is neither listed nor entered nor removed."""
    incus("launch", "debian", fresh_name, "-c", "security.privileged=true")
    assert fresh_name not in alice.kapsule("list").text
    assert root.kapsule("enter", fresh_name, "--", "id").code == 125
    assert root.kapsule("rm", "--force", fresh_name).code == 1
    assert _status(fresh_name) == "RUNNING"


@pytest.mark.parametrize("image", ["busybox", "ubuntu-like"])
def test_unusual_guests(alice: User, fresh_name: str, image: str) -> None:
    """Without systemd, PAM, sudo and useradd; and where the image owns our uid."""
    result = alice.kapsule("create", fresh_name, "--image", f"local:{image}")
    assert result.code == 0, result.error
    inside = alice.kapsule("enter", fresh_name, "--", "sh", "-c", "id -un; id -u; pwd; hostname")
    assert inside.text.splitlines() == [
        "alice",
        str(alice.account.pw_uid),
        alice.account.pw_dir,
        fresh_name,
    ]


def test_a_guest_without_a_shell(alice: User, fresh_name: str) -> None:
    """There is nothing to run, and that is what is said."""
    assert alice.kapsule("create", fresh_name, "--image", "local:noshell").code == 0
    result = alice.kapsule("enter", fresh_name)
    assert result.code == 125
    assert "no shell" in result.error


def test_a_guest_whose_init_hangs(alice: User, fresh_name: str) -> None:
    """One gets in all the same, or is told why not; nothing waits for ever."""
    assert alice.kapsule("create", fresh_name, "--image", "local:hung").code == 0
    assert alice.kapsule("enter", "--root", fresh_name, "--", "echo", "in", timeout=60).text == "in"


def test_a_removed_account_is_made_again(alice: User, fresh_name: str) -> None:
    """Set-up is no latch: the next enter repairs what was broken inside."""
    assert alice.kapsule("create", fresh_name, "--image", "local:debian").code == 0
    incus("exec", fresh_name, "--", "sed", "-i", "/^alice:/d", "/etc/passwd", "/etc/shadow")
    assert alice.kapsule("enter", fresh_name, "--", "id", "-un").text == "alice"


def test_marks_of_a_kapsule_guest(alice: User, container: str) -> None:
    """`/.kapsule` is there, and sudo finds its own host name without a delay or a complaint."""
    script = "test -d /.kapsule && cat /etc/hostname && sudo -n true && getent hosts $(hostname)"
    result = alice.kapsule("enter", container, "--", "sh", "-c", script)
    assert result.code == 0
    assert result.text.splitlines()[0] == container
    assert result.error == ""


@pytest.mark.main
def test_a_session_outlives_the_daemon(alice: User, container: str) -> None:
    """The daemon may be restarted, and its session helper too; the session goes on."""
    with alice.popen(
        "kapsule", "enter", container, "--", "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as session:
        assert session.stdin is not None
        assert session.stdout is not None
        session.stdin.write(b"before\n")
        session.stdin.flush()
        assert session.stdout.readline() == b"before\n"
        for unit in ("kapsule-daemon.service", "kapsule-session.service"):
            subprocess.run(["systemctl", "restart", unit], check=True)
        time.sleep(1)
        session.stdin.write(b"after\n")
        session.stdin.close()
        assert session.stdout.read() == b"after\n"
        assert session.wait() == 0
    assert alice.kapsule("enter", container, "--", "echo", "again").text == "again"


def test_the_login_session_outlives_the_daemon(alice: User, container: str) -> None:
    """A restarted daemon finds the login that is open; it does not open another."""
    assert alice.kapsule("enter", container, "--", "true").code == 0
    subprocess.run(["systemctl", "restart", "kapsule-daemon.service"], check=True)
    assert alice.kapsule("enter", container, "--", "true").code == 0
    sessions = incus("exec", container, "--", "loginctl", "--no-legend", "list-sessions")
    assert len([line for line in sessions.splitlines() if "alice" in line]) == 1


def test_many_at_once(alice: User, container: str) -> None:
    """Twenty sessions that start together all run."""
    sessions = [
        alice.popen(
            "kapsule", "enter", container, "--", "echo", str(number), stdout=subprocess.PIPE
        )
        for number in range(20)
    ]
    outputs = {session.communicate(timeout=60)[0] for session in sessions}
    assert outputs == {b"%d\n" % number for number in range(20)}
    assert all(session.returncode == 0 for session in sessions)
