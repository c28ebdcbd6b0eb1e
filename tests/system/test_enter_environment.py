# SPDX-License-Identifier: GPL-3.0-or-later
"""What a session finds in its environment, and what never leaks."""

import subprocess
from pathlib import Path

import pytest

from tests.system.support.users import User, incus


def variables(user: User, *words: str, env: dict[str, str] | None = None) -> dict[str, str]:
    """Return the environment that a command finds in the container."""
    result = user.kapsule("enter", *words, "--", "env", "-0", env=env)
    assert result.code == 0, result.error
    pairs = (entry.partition("=") for entry in result.out.decode().split("\0") if entry)
    return {name: value for name, _, value in pairs}


@pytest.mark.main
def test_only_the_allowed_passes(alice: User, container: str) -> None:
    """Terminal, language and editor pass; PATH, library paths and secrets don't."""
    host = {
        "PATH": "/usr/bin:/nix/store/only-on-the-host/bin",
        "LD_LIBRARY_PATH": "/host/lib",
        "PYTHONPATH": "/host/python",
        "AWS_SECRET_ACCESS_KEY": "s3cret",
        "EDITOR": "vim",
        "COLORTERM": "truecolor",
    }
    inside = variables(alice, container, env=host)
    assert inside["EDITOR"] == "vim"
    assert inside["COLORTERM"] == "truecolor"
    assert "/usr/bin" in inside["PATH"].split(":")
    assert "nix" not in inside["PATH"]
    assert not {"LD_LIBRARY_PATH", "PYTHONPATH", "AWS_SECRET_ACCESS_KEY"} & inside.keys()


def test_programs_know_where_they_are(alice: User, container: str) -> None:
    """`container` and KAPSULE_CONTAINER say it; HOME, USER and SHELL are the guest account's."""
    inside = variables(alice, container)
    assert inside["KAPSULE_CONTAINER"] == container
    assert inside["container"] == "lxc"
    assert (inside["HOME"], inside["USER"], inside["LOGNAME"]) == (
        alice.account.pw_dir,
        "alice",
        "alice",
    )
    assert inside["SHELL"] == "/bin/bash"


def test_env_and_clean_env(alice: User, container: str) -> None:
    """`--env` names what else shall pass; `--clean-env` lets nothing else."""
    host = {"TOKEN": "by name", "EDITOR": "vim"}
    inside = variables(alice, "--env", "TOKEN", "--env", "X=a=b c", container, env=host)
    assert (inside["TOKEN"], inside["X"], inside["EDITOR"]) == ("by name", "a=b c", "vim")
    assert "EDITOR" not in variables(alice, "--clean-env", container, env=host)


def test_the_guests_login_applies(alice: User, container: str) -> None:
    """PAM's session, its environment and the profile files are there."""
    script = (
        "echo FROM_PAM=yes >> /etc/environment; echo export FROM_PROFILE=yes > /etc/profile.d/t.sh"
    )
    name = "login-test"
    assert alice.kapsule("create", name, "--image", "local:debian").code == 0
    try:
        incus("exec", name, "--", "sh", "-c", script)
        inside = variables(alice, name)
        assert inside["FROM_PAM"] == inside["FROM_PROFILE"] == "yes"
        uid = alice.account.pw_uid
        assert inside["XDG_RUNTIME_DIR"] == f"/run/user/{uid}"
        result = alice.kapsule("enter", name, "--", "sh", "-c", "cat /proc/self/cgroup; loginctl")
        assert f"user-{uid}.slice" in result.text
        assert "alice" in result.text
    finally:
        incus("delete", "--force", name)


def test_one_login_session_for_all(alice: User, container: str) -> None:
    """A hundred enters don't make a hundred sessions in the guest."""
    for _ in range(5):
        assert alice.kapsule("enter", container, "--", "true").code == 0
    sessions = incus("exec", container, "--", "loginctl", "--no-legend", "list-sessions")
    assert len([line for line in sessions.splitlines() if "alice" in line]) == 1


def test_a_login_that_was_ended_is_opened_again(alice: User, container: str) -> None:
    """`loginctl terminate-user` does not lock the user out."""
    incus("exec", container, "--", "loginctl", "terminate-user", "alice")
    inside = variables(alice, container)
    assert inside["XDG_RUNTIME_DIR"] == f"/run/user/{alice.account.pw_uid}"


def test_no_value_shows_in_any_argv(alice: User, container: str) -> None:
    """A secret that passes is in no process's command line, on neither side."""
    env = {"TOKEN": "sup3rs3cret-value"}
    words = ("kapsule", "enter", "--env", "TOKEN", container, "--", "sh", "-c", "echo up; cat")
    with alice.popen(*words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as session:
        assert session.stdout is not None
        assert session.stdin is not None
        assert session.stdout.readline() == b"up\n"
        seen = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
        assert any(b"echo up" in line for line in seen)
        assert not any(b"sup3rs3cret" in line for line in seen)
        session.stdin.close()


def test_large_arguments(alice: User, container: str) -> None:
    """A hundred thousand bytes in one word arrive."""
    result = alice.kapsule(
        "enter", container, "--", "sh", "-c", "printf %s $1 | wc -c", "sh", "x" * 100_000
    )
    assert result.text == "100000"


def test_nothing_of_the_host_is_left_open(alice: User, container: str) -> None:
    """A session has its three streams and no other descriptor."""
    result = alice.kapsule("enter", container, "--", "sh", "-c", "ls /proc/$$/fd")
    assert result.text.split() == ["0", "1", "2"]


def test_a_session_is_like_a_process_of_the_guests_own(alice: User, container: str) -> None:
    """Namespaces and capability bounding set are init's; the limits are sane."""
    kinds = "cgroup ipc mnt net pid user uts"
    script = f"for n in {kinds}; do sudo readlink /proc/1/ns/$n /proc/$$/ns/$n; done"
    links = alice.kapsule("enter", container, "--", "sh", "-c", script).text.splitlines()
    assert len(links) == 14
    assert all(init == ours for init, ours in zip(links[::2], links[1::2], strict=True))
    script = "grep CapBnd /proc/1/status /proc/$$/status; grep CapEff /proc/$$/status; ulimit -n"
    lines = alice.kapsule("enter", container, "--", "sh", "-c", script).text.splitlines()
    assert lines[0].split()[-1] == lines[1].split()[-1]
    assert int(lines[2].split()[-1], 16) == 0
    assert int(lines[3]) >= 1024


def test_root_shell(alice: User, container: str) -> None:
    """`--root` is root in the guest, with root's home and without asking."""
    result = alice.kapsule(
        "enter", "--root", container, "--", "sh", "-c", "id -u; echo $HOME $USER"
    )
    assert result.text.splitlines() == ["0", "/root root"]
