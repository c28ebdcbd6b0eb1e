# SPDX-License-Identifier: GPL-3.0-or-later
"""A session's process in an isolated container is like one that the container's init started."""

import re
import subprocess
from collections.abc import Mapping

import pytest

from tests.system.isolated.guest import Guest
from tests.system.support.users import incus

# What processes of a shell say of themselves, one fact a line (the shell itself has signals
# blocked while it starts them). It lies in a file of the guest's: systemd-run
# has an idea of its own what a dollar means.
_PROGRAM = "/usr/local/bin/facts"
_SCRIPT = """
for kind in user mnt pid net uts ipc cgroup time; do
    echo "namespace $kind: $(readlink /proc/self/ns/$kind)"
done
grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp|SigBlk|Umask)' /proc/self/status
sed 's/  */ /g; s/^/limit /' /proc/self/limits
echo "label: $(cat /proc/self/attr/current 2>/dev/null)"
echo "oom score: $(cat /proc/self/oom_score_adj)"
echo "id maps: $(cat /proc/self/uid_map /proc/self/gid_map | tr '\\n' ' ')"
echo "root: $(stat -L -c %d:%i /proc/self/root)"
"""
_OWN = "systemd-run --quiet --pipe --wait --collect"
_DIFFERENT = ("Groups",)  # a login has those that pam_group gives


@pytest.fixture(autouse=True, scope="module")
def _program(guest: Guest) -> None:
    """The script is in the guest."""
    guest.as_root(f"cat > {_PROGRAM} <<'END'{_SCRIPT}END")


def _facts(text: str) -> dict[str, str]:
    lines = (line.partition(":") for line in text.splitlines() if ":" in line)
    facts = {name.strip(): value.strip() for name, _, value in lines}
    limits = [line for line in text.splitlines() if line.startswith("limit Max")]
    return facts | {" ".join(line.split()[:-3]): line for line in limits}


def _of_its_own(guest: Guest, *options: str) -> dict[str, str]:
    """Return the facts of a process that the container's own systemd starts."""
    words = (*_OWN.split(), *options, "sh", _PROGRAM)
    return _facts(incus("exec", guest.name, "--", *words))


def _check_alike(ours: Mapping[str, str], theirs: Mapping[str, str]) -> None:
    assert {key: value for key, value in ours.items() if key not in _DIFFERENT} == {
        key: value for key, value in theirs.items() if key not in _DIFFERENT
    }


@pytest.mark.main
def test_a_users_process(guest: Guest) -> None:
    """Namespaces, ids, capabilities, filters, limits, label, keyring: all as of its own."""
    ours = _facts(guest.shell(f"sh {_PROGRAM}"))
    assert len(ours) > 30
    assert ours["CapEff"] == "0000000000000000"
    assert ours["NoNewPrivs"] == "0"
    _check_alike(ours, _of_its_own(guest, "--uid=alice"))


@pytest.mark.main
def test_a_process_of_its_root(guest: Guest) -> None:
    """The same without a login: `kapsule enter --root`."""
    result = guest.user.kapsule("enter", "--root", guest.name, "--", "sh", _PROGRAM)
    assert result.code == 0, result.error
    _check_alike(_facts(result.text), _of_its_own(guest))


@pytest.mark.main
def test_who_one_is(guest: Guest) -> None:
    """The user, with the groups that the guest knows, and sudo; nothing else of the host's ids."""
    assert guest.shell("whoami; id -u; id -g") == "alice\n1000\n1000"
    groups = set(guest.shell("id -Gn").split())
    assert groups <= {"alice", "sudo", "audio", "video", "render"}
    assert guest.shell("sudo id -u") == "0"
    ours = guest.shell("cat /proc/self/uid_map").split()
    assert ours[0] == "0"
    assert int(ours[1]) >= 1_000_000
    assert ours[3:6] == ["1000", "1000", "1"]


@pytest.mark.parametrize("option", [(), ("--root",)])
def test_nothing_of_the_host_is_open(guest: Guest, option: tuple[str, ...]) -> None:
    """Three pipes, and what `ls` itself opens."""
    words = ("enter", *option, guest.name, "--", "ls", "-l", "/proc/self/fd")
    lines = guest.user.kapsule(*words).text.splitlines()[1:]
    opened = [line.split()[-3:] for line in lines]
    assert [each[0] for each in opened] == ["0", "1", "2", "3"]
    assert all(each[2].startswith("pipe:") for each in opened[:3])
    assert opened[3][2].startswith("/proc/")


def test_it_is_in_a_cgroup_of_the_container(guest: Guest) -> None:
    """Of the user's login session inside, as the host and the container see it."""
    assert "user-1000.slice/session-" in guest.shell("grep ^0:: /proc/self/cgroup")
    with open(f"/proc/{_sleeper(guest)}/cgroup") as file:
        path = file.read().rpartition("0::")[2].strip()
    assert path.startswith(f"/lxc.payload.{guest.name}/")


def _sleeper(guest: Guest) -> int:
    """Return the pid on the host of a process that a session has started."""
    guest.shell("sleep 7719 >/dev/null 2>&1 &")
    return int(subprocess.run(["pgrep", "-f", "sleep 7719"], capture_output=True).stdout.split()[0])


def test_roots_environment(guest: Guest) -> None:
    """Nothing of the host's is in it, whatever the caller has."""
    extra = {"SECRET": "x", "DISPLAY": "host:0", "SSH_AUTH_SOCK": "/run/x", "LD_PRELOAD": "/x"}
    words = ("enter", "--root", guest.name, "--", "env")
    lines = guest.user.kapsule(*words, env=extra).text.splitlines()
    names = {line.partition("=")[0] for line in lines}
    assert names <= {
        *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM", "PWD", "SHLVL", "_"),
        *("container", "KAPSULE_CONTAINER"),
    }


def test_a_terminal(guest: Guest) -> None:
    """It is the container's, and the user's."""
    script = f"kapsule enter {guest.name} -- sh -c 'tty && stat -c %U \"$(tty)\"'"
    result = guest.user.run("script", "-qec", script, "/dev/null")
    assert result.code == 0, result.error
    assert re.search(r"/dev/pts/\d+\s+alice\s", result.text)


def test_its_own_user_manager(guest: Guest) -> None:
    """Services of the user's run inside, on a bus of their own."""
    assert guest.shell("systemd-run --user --quiet --pipe --wait id -un") == "alice"
