# SPDX-License-Identifier: GPL-3.0-or-later
"""`kapsule enter` without a terminal: words, bytes and statuses pass unchanged."""

import hashlib
import os
import signal
import subprocess
import time

import pytest

from tests.system.support.users import User, incus

pytestmark = pytest.mark.main


@pytest.mark.parametrize(
    "words",
    [
        ["a b", "", "c"],
        ["'", '"', "\\", "$HOME", "`id`", "*", "-x", "--", "--help"],
        ["two\nlines", "tab\there", "ünïcödé", "\x01\x1b"],
    ],
)
def test_words_arrive_unchanged(alice: User, container: str, words: list[str]) -> None:
    """No shell splits, expands or drops what was typed."""
    result = alice.kapsule("enter", container, "--", "printf", "%s\\0", *words)
    assert result.out.decode().split("\0")[:-1] == words


def test_one_is_inside_as_oneself(alice: User, container: str) -> None:
    """Name, uid, gid and home are those of the host; sudo asks nothing; init is the guest's."""
    script = 'id -un; id -u; id -g; echo "$HOME"; sudo -n id -u; cat /proc/1/comm; hostname'
    result = alice.kapsule("enter", container, "--", "sh", "-c", script)
    account = alice.account
    assert result.text.splitlines() == [
        "alice",
        str(account.pw_uid),
        str(account.pw_gid),
        account.pw_dir,
        "0",
        "systemd",
        container,
    ]
    assert result.error == ""


@pytest.mark.parametrize("code", [0, 1, 3, 125, 255])
def test_the_exit_status_comes_back(alice: User, container: str, code: int) -> None:
    """The command's status is ours."""
    assert alice.kapsule("enter", container, "--", "sh", "-c", f"exit {code}").code == code


@pytest.mark.parametrize("name", ["KILL", "TERM", "SEGV"])
def test_death_by_signal_comes_back(alice: User, container: str, name: str) -> None:
    """A command that dies by signal n gives 128 + n."""
    result = alice.kapsule("enter", container, "--", "sh", "-c", f"kill -{name} $$")
    assert result.code == 128 + signal.Signals[f"SIG{name}"]


def test_a_command_that_is_missing_or_no_program(alice: User, container: str) -> None:
    """127 and 126, as shells have it."""
    assert alice.kapsule("enter", container, "--", "no-such-command").code == 127
    assert alice.kapsule("enter", container, "--", "/etc/passwd").code == 126


def test_bytes_pass_through_both_ways(alice: User, container: str) -> None:
    """Every byte value comes back as it was, and the end of input is delivered."""
    data = bytes(range(256)) * 64
    assert alice.kapsule("enter", container, "--", "cat", data=data).out == data


def test_output_and_error_are_two_streams(alice: User, container: str) -> None:
    """Nothing is mixed, nothing is added."""
    result = alice.kapsule("enter", container, "--", "sh", "-c", "printf out; printf err >&2")
    assert (result.out, result.err) == (b"out", b"err")


def test_a_gigabyte_goes_through_a_pipe(alice: User, container: str) -> None:
    """None of it is lost or changed, from the host through the container and back."""
    size = 1 << 30
    script = (
        f"head -c {size} /dev/zero | tr '\\0' 'k' | kapsule enter {container} -- cat | sha256sum"
    )
    expected = hashlib.sha256()
    for _ in range(size >> 20):
        expected.update(b"k" * (1 << 20))
    assert alice.run("bash", "-c", script, timeout=300).text.split()[0] == expected.hexdigest()


def test_a_closed_reader_stops_the_writer(alice: User, container: str) -> None:
    """`yes | head` ends: SIGPIPE has its usual meaning inside."""
    script = f"kapsule enter {container} -- yes | head -n 1"
    assert alice.run("bash", "-c", script, timeout=30).text == "y"


def test_a_closed_standard_input(alice: User, container: str) -> None:
    """A caller without a standard input, as a service has it, gets in too."""
    script = f"exec 0<&-; kapsule enter {container} -- echo in"
    assert alice.run("bash", "-c", script).text == "in"


def test_the_working_directory_is_kept(alice: User, container: str) -> None:
    """A directory that both have is where one starts."""
    directory = os.path.join(alice.account.pw_dir, "some where")
    alice.run("mkdir", "-p", directory)
    assert alice.kapsule("enter", container, "--", "pwd", cwd=directory).text == directory
    assert alice.kapsule("enter", container, "--", "pwd", cwd="/usr").text == "/usr"


def test_a_directory_that_the_guest_lacks(alice: User, container: str) -> None:
    """One starts at home then, and is told."""
    result = alice.kapsule("enter", container, "--", "pwd", cwd="/src")
    assert result.text == alice.account.pw_dir
    assert "/src" in result.error
    assert result.code == 0


def test_cwd_names_a_directory_of_the_guest(alice: User, container: str) -> None:
    """`--cwd` needs no such directory on the host."""
    incus("exec", container, "--", "mkdir", "-p", "/guest-only")
    assert alice.kapsule("enter", "--cwd", "/guest-only", container, "--", "pwd").text == (
        "/guest-only"
    )


def test_a_killed_client_takes_its_session_with_it(alice: User, container: str) -> None:
    """Nothing of it runs on in the guest: not the command, not its children, not under sudo."""
    script = "sleep 7717 & sudo sleep 7717 & wait"
    client = alice.popen("kapsule", "enter", container, "--", "sh", "-c", script)
    _wait_until(lambda: len(_sleepers(container)) >= 2)
    client.kill()
    client.wait()
    _wait_until(lambda: not _sleepers(container))


def test_timeout_ends_a_session(alice: User, container: str) -> None:
    """SIGTERM for the client is SIGTERM for the command."""
    result = alice.run("timeout", "1", "kapsule", "enter", container, "--", "sleep", "7717")
    assert result.code == 124
    _wait_until(lambda: not _sleepers(container))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_signals_reach_the_command(alice: User, container: str, number: int) -> None:
    """A signal for the client is the command's to handle."""
    name = signal.Signals(number).name.removeprefix("SIG")
    script = f"trap 'echo caught; exit 9' {name}; echo ready; while :; do sleep 0.05; done"
    words = ("kapsule", "enter", container, "--", "sh", "-c", script)
    with alice.popen(*words, stdout=subprocess.PIPE) as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"ready\n"
        client.send_signal(number)
        assert client.stdout.read() == b"caught\n"
        assert client.wait(20) == 9


def _sleepers(container: str) -> list[str]:
    return incus("exec", container, "--", "pgrep", "-x", "sleep", "-a", check=False).split("\n")[
        :-1
    ]


def _wait_until(condition: "object") -> None:
    assert callable(condition)
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it does not come to pass"
        time.sleep(0.1)
