# SPDX-License-Identifier: GPL-3.0-or-later
"""User set-up in real guests: what their own programs make of it."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from kapsule import names
from kapsule.containers.backend import Backend
from kapsule.errors import GuestError
from kapsule.host.users import HostUser
from kapsule.testing.recording_progress import RecordingProgress
from kapsule.user_setup import set_up_user
from tests.system.support.users import in_container, incus

ALICE = HostUser(1000, 1000, "alice", "/home/alice", "/bin/bash", (1000,), "alice")
JOHN = HostUser(1001, 1001, "john.doe", "/home/john.doe", "/bin/bash", (1001,), "john.doe")
DOMAIN = HostUser(1002, 1234, "DOM\\user", "/home/DOM/user", "/bin/sh", (1234,), "domain users")
USERS = HostUser(1003, 100, "carol", "/var/home/carol", "/usr/bin/fish", (100,), "everybody")
ROOT = HostUser(0, 0, "root", "/root", "/bin/zsh", (0,), "root")

IMAGES = ("debian", "ubuntu-like", "busybox")
WITH_SUDO = ("debian", "ubuntu-like")


@pytest.fixture(scope="module")
def guests(_no_daemon: None) -> Iterator[dict[str, str]]:
    """A running container of each image, shared: each test sets up its own user."""
    launched = {image: f"setup-{image}" for image in IMAGES}
    try:
        for image, name in launched.items():
            owner = f"{names.KEY_OWNER}=1000"
            launch(image, name, owner)
        yield launched
    finally:
        for name in launched.values():
            incus("delete", "--force", name, check=False)


def launch(image: str, name: str, *settings: str) -> None:
    """Start a privileged container by Incus alone; it knows its own name."""
    config = [word for each in ("security.privileged=true", *settings) for word in ("-c", each)]
    incus("launch", f"local:{image}", name, *config)
    # As creation does it; otherwise sudo asks name servers that are not there.
    run(name, "sh", "-c", "echo 127.0.1.1 $(hostname) >> /etc/hosts")


def run(container: str, *words: str) -> str:
    """Run a command as the container's root."""
    done = in_container(container, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n")


def run_as(container: str, user: HostUser, command: str) -> str:
    """Run a shell command as a user, by the container's own su."""
    return run(container, "su", "-s", "/bin/sh", user.name, "-c", command)


def account_line(container: str, user: HostUser) -> list[str]:
    """Return the fields of the user's only line in passwd."""
    lines = [line.split(":") for line in run(container, "cat", "/etc/passwd").splitlines()]
    (own,) = [line for line in lines if line[0] == user.name or line[2] == str(user.uid)]
    return own


async def set_up(backend: Backend, container: str, user: HostUser) -> None:
    """Set the user up as the daemon does."""
    await backend.registry.refresh(container)
    async with backend.registry.lock(container):
        await set_up_user(backend, container, user, RecordingProgress())


ALL_FILES = "/etc/passwd* /etc/group* /etc/shadow* /etc/gshadow* /etc/sub* /etc/sudoers* /home"


def state_of_files(container: str) -> str:
    """Return inode, mode, owner and time of all that user set-up could touch."""
    return run(container, "sh", "-c", f"ls -lidR {ALL_FILES} 2>&1 || true")


def content_of_files(container: str) -> str:
    """Return mode, owner and content of all that user set-up could touch."""
    script = f"find {ALL_FILES} -exec stat -c '%n %a %u %g' {{}} + -type f -exec cat {{}} +"
    return run(container, "sh", "-c", f"{script} 2>&1 || true")


@pytest.mark.parametrize("user", [ALICE, JOHN, DOMAIN, USERS], ids=lambda user: user.name)
@pytest.mark.parametrize("image", IMAGES)
async def test_the_user_is_themselves(
    backend: Backend, guests: dict[str, str], image: str, user: HostUser
) -> None:
    """Name, uid, gid and home are the host's; the home is theirs; sudo asks nothing."""
    container = guests[image]
    await set_up(backend, container, user)
    assert run_as(container, user, "id -un") == user.name
    assert run_as(container, user, "id -u; id -g").split() == [str(user.uid), str(user.gid)]
    assert run_as(container, user, 'echo "$HOME"') == user.home
    run_as(container, user, 'cd && touch "$HOME/file" && test -O "$HOME/file"')
    assert run(container, "stat", "-c", "%a %u %g", user.home) == f"700 {user.uid} {user.gid}"
    if image in WITH_SUDO:
        assert run_as(container, user, "sudo -n id -u") == "0"
        assert run(container, "getent", "passwd", str(user.uid)).startswith(f"{user.name}:")
        assert "sudo" in run_as(container, user, "id -Gn").split()
        run(container, "visudo", "--check", "--quiet")
    expected_shell = "/bin/sh" if image == "busybox" or user is DOMAIN else "/bin/bash"
    assert account_line(container, user)[6] == expected_shell
    assert incus("config", "get", container, names.key_mapped(user.uid)).strip() == "true"


@pytest.mark.parametrize("image", IMAGES)
async def test_a_second_time_changes_nothing(
    backend: Backend, guests: dict[str, str], image: str
) -> None:
    """Whoever is set up already is left alone."""
    await set_up(backend, guests[image], ALICE)
    before = state_of_files(guests[image])
    await set_up(backend, guests[image], ALICE)
    assert state_of_files(guests[image]) == before


async def test_the_account_of_the_image_is_gone(backend: Backend, guests: dict[str, str]) -> None:
    """Ubuntu's own user with uid 1000 is alice now, in all files; its home is still there."""
    container = guests["ubuntu-like"]
    await set_up(backend, container, ALICE)
    listed = run(container, "sh", "-c", "cat /etc/passwd /etc/shadow /etc/group /etc/gshadow")
    assert "ubuntu" not in listed
    assert run_as(container, ALICE, "id -gn; whoami").split() == ["alice", "alice"]
    run(container, "test", "-d", "/home/ubuntu")


async def test_gid_100_is_called_what_the_guest_calls_it(
    backend: Backend, guests: dict[str, str]
) -> None:
    """The guest's name for the gid counts."""
    await set_up(backend, guests["debian"], USERS)
    assert run_as(guests["debian"], USERS, "id -gn") == "users"


@pytest.mark.parametrize("image", IMAGES)
async def test_root_is_only_marked(backend: Backend, guests: dict[str, str], image: str) -> None:
    """Root's account in the guest stays as it is."""
    before = state_of_files(guests[image])
    await set_up(backend, guests[image], ROOT)
    assert state_of_files(guests[image]) == before
    assert incus("config", "get", guests[image], names.key_mapped(0)).strip() == "true"


async def test_a_mounted_home_is_not_touched(
    backend: Backend, fresh_name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The host's home keeps owner, mode and content, also where it is root's by mistake."""
    home = tmp_path_factory.mktemp("home")
    home.chmod(0o755)
    incus("launch", "local:debian", fresh_name, "-c", "security.privileged=true")
    device = ("home", "disk", f"source={home}", f"path={ALICE.home}")
    incus("config", "device", "add", fresh_name, *device)
    before = home.stat()
    await set_up(backend, fresh_name, ALICE)
    after = home.stat()
    assert (after.st_mode, after.st_uid, after.st_ctime) == (before.st_mode, 0, before.st_ctime)
    assert run_as(fresh_name, ALICE, "cd && pwd") == ALICE.home


async def test_a_failure_undoes_itself_and_the_next_time_works(
    backend: Backend, fresh_name: str
) -> None:
    """Where the rule for sudo cannot be written, there is no account and no mark either."""
    launch("debian", fresh_name)
    run(fresh_name, "sh", "-c", "mv /etc/sudoers.d /etc/aside; touch /etc/sudoers.d")
    before = content_of_files(fresh_name)
    with pytest.raises(GuestError, match=r"/etc/sudoers\.d/alice"):
        await set_up(backend, fresh_name, ALICE)
    assert content_of_files(fresh_name) == before
    assert names.key_mapped(1000) not in json.dumps(incus("config", "show", fresh_name))
    run(fresh_name, "sh", "-c", "rm /etc/sudoers.d; mv /etc/aside /etc/sudoers.d")
    await set_up(backend, fresh_name, ALICE)
    assert run_as(fresh_name, ALICE, "sudo -n id -u") == "0"


async def test_a_read_only_guest_is_an_error(backend: Backend, fresh_name: str) -> None:
    """Nothing can be written: the error says where, and nothing is marked."""
    incus("launch", "local:busybox", fresh_name, "-c", "security.privileged=true")
    run(fresh_name, "mount", "-o", "remount,bind,ro", "/")
    with pytest.raises(GuestError, match="Read-only file system: '/etc/"):
        await set_up(backend, fresh_name, ALICE)
    assert incus("config", "get", fresh_name, names.key_mapped(1000)).strip() == ""


async def test_a_guest_without_sudo_is_ready_for_it(
    backend: Backend, guests: dict[str, str]
) -> None:
    """The rule is there for the day that sudo is installed."""
    await set_up(backend, guests["busybox"], ALICE)
    rule = run(guests["busybox"], "cat", "/etc/sudoers.d/alice")
    assert rule == "#1000 ALL=(ALL:ALL) NOPASSWD: ALL"


async def test_a_container_with_ids_of_its_own(backend: Backend, fresh_name: str) -> None:
    """In a user namespace the ids are the guest's; one that it does not have is an error."""
    incus("launch", "local:debian", fresh_name, "-c", "raw.idmap=both 1000 1000")
    await set_up(backend, fresh_name, ALICE)
    assert run_as(fresh_name, ALICE, "id -u && sudo -n id -u && touch ~/file").split() == [
        "1000",
        "0",
    ]
    before = content_of_files(fresh_name)
    stranger = replace(JOHN, uid=2**31)
    with pytest.raises(GuestError, match=r"Invalid argument: '/home/john\.doe'"):
        await set_up(backend, fresh_name, stranger)
    assert content_of_files(fresh_name) == before
