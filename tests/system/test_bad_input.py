# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be is refused with a reason and a hint, and leaves nothing behind."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from kapsule.client.bus import Bus
from kapsule.errors import KapsuleError
from kapsule.options.table import CREATE_OPTIONS
from tests.system.support.box import default_container, refused
from tests.system.support.bus import carry_out, connect, enter
from tests.system.support.users import User, incus

NAMES = [
    *("../x", "a b", "x" * 64, "", "-x", "ünï", "x?project=y", "x#y", "x/snapshots/s"),
    *("%2e%2e", "a\nb", "\x1b[2J", "1x", "x-", ".", "x;reboot", "$(id)"),
]
VARIANT_TYPES = {"b": True, "s": "yes", "i": 1, "as": ["/tmp"], "ai": [1], "a{sv}": {}}


@pytest.fixture
def bus(alice: User) -> Iterator[Bus]:
    """A connection of alice's."""
    with connect(alice) as bus:
        yield bus


# --- names


@pytest.mark.parametrize("bad", NAMES)
def test_invalid_names(alice: User, bus: Bus, traceless: str, bad: str) -> None:
    """No verb and no method takes what cannot be a name for one, or for something else."""
    result = alice.kapsule("create", "--image", "local:busybox", "--", bad)
    refused(result, "cannot be the name of a container", "Use 1 to 63 letters")
    for member, signature, body in _on_a_container(bad):
        with pytest.raises(KapsuleError, match="does not exist") as raised:
            _call(bus, member, signature, body)
        assert raised.value.hint
    assert bus.call("IsUserSetup", "su", (bad, 1000)) == (False,)
    with pytest.raises(KapsuleError, match="cannot be the name of a container"):
        carry_out(bus, "CreateContainer", "ssa{sv}", bad, "local:busybox", {})


def _on_a_container(name: str) -> list[tuple[str, str, tuple[Any, ...]]]:
    account = (1000, 1000, "alice", "/home/alice")
    return [
        ("StartContainer", "s", (name,)),
        ("StopContainer", "sb", (name, True)),
        ("RestartContainer", "sb", (name, True)),
        ("DeleteContainer", "sb", (name, True)),
        ("AddMount", "ss", (name, "/srv")),
        ("RemoveMount", "ss", (name, "/srv")),
        ("SetupUser", "suuss", (name, *account)),
        ("GetContainerInfo", "s", (name,)),
        ("Describe", "s", (name,)),
    ]


def _call(bus: Bus, member: str, signature: str, body: tuple[Any, ...]) -> None:
    """Call a method; where it starts an operation, follow that."""
    if member in ("GetContainerInfo", "Describe"):
        bus.call(member, signature, body)
    else:
        carry_out(bus, member, signature, *body)


@pytest.mark.parametrize("bad", ["../x", "a b", "x" * 64, "x?project=y", "ünï", "\x1b[2J"])
def test_entering_by_an_invalid_name(alice: User, traceless: str, bad: str) -> None:
    """Enter says that there is no such container, as with any other name, and exits with 125."""
    said = refused(alice.kapsule("enter", bad, "--", "id"), "does not exist", code=125)
    assert "\x1b" not in said


def test_several_invalid_names_at_once(alice: User, traceless: str) -> None:
    """Each gets an error of its own, and none keeps the next from its turn."""
    result = alice.kapsule("rm", "--force", "--", *NAMES)
    assert result.code == 1
    assert result.error.count("Error: ") == len(NAMES)
    assert "\x1b" not in result.error


@pytest.mark.parametrize(
    "words",
    [
        *([], ["frobnicate"], ["create"], ["create", "a", "b"], ["create", "-x"]),
        *(["create", "a", "--gpu=yes"], ["create", "a", "--image"], ["create", "a", "--nope"]),
        *(["list", "--nope"], ["list", "-r", "-a"], ["rm"], ["info"], ["enter", "--nope", "a"]),
        *(["enter", "--cwd"], ["image", "delete"], ["config", "a", "b"]),
    ],
)
def test_usage_errors(alice: User, words: list[str]) -> None:
    """Words that make no sense exit with 2, and point to the help; none at all is the help."""
    result = alice.kapsule(*words)
    if words:
        refused(result, "--help`", code=2)
    else:
        assert (result.code, result.error) == (0, "")


# --- names that are taken


def test_names_that_are_taken(alice: User, root: User, fresh_name: str) -> None:
    """One's own container, another's and a foreign instance stay as they are."""
    create = ("create", fresh_name, "--image", "local:busybox")
    assert alice.kapsule(*create).code == 0
    before = incus("query", f"/1.0/instances/{fresh_name}")
    refused(alice.kapsule(*create), f"Container '{fresh_name}' already exists\n", "kapsule enter")
    refused(root.kapsule(*create), "belongs to another user")
    assert incus("query", f"/1.0/instances/{fresh_name}") == before
    assert alice.kapsule("rm", "--force", fresh_name).code == 0
    incus("init", "busybox", fresh_name)
    refused(alice.kapsule(*create), "Kapsule did not make")
    for verb in ("start", "stop", "restart", "rm", "info"):
        refused(alice.kapsule(verb, fresh_name), "does not exist")
    refused(alice.kapsule("enter", fresh_name), "does not exist", code=125)
    assert fresh_name in incus("list", "--format=csv", "--columns=n").split()


# --- images


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("local:nothing", "There is no local image 'nothing'"),
        ("local:", "cannot be the name of an image"),
        ("local:../../instances", "cannot be the name of an image"),
        ("local:debian?project=x", "cannot be the name of an image"),
        ("nowhere:debian", "Unknown server alias: 'nowhere'. Known aliases:"),
        ("https://127.0.0.1/debian", "Unknown server alias: 'https'"),
        ("images:debian/12", "cannot be fetched from https://images.linuxcontainers.org"),
        ("debian/12", "cannot be fetched from https://images.linuxcontainers.org"),
    ],
)
def test_images_that_are_not_there(alice: User, traceless: str, image: str, reason: str) -> None:
    """An image that nobody has, or whose server cannot be reached, is the user's to mend."""
    refused(alice.kapsule("create", traceless, "--image", image), reason)


def test_the_default_image_cannot_be_reached(alice: User, traceless: str) -> None:
    """Nor can the default container be made then; the session never began."""
    with default_container(alice, traceless, "images:ubuntu/24.04"):
        refused(alice.kapsule("enter"), "cannot be fetched", code=125)


# --- options


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"nope": ("b", True)}, "Unknown options: nope"),
        ({"Gpu": ("b", True), "x": ("s", "")}, "Unknown options: Gpu, x"),
        ({"custom_mounts": ("as", ["relative"])}, "not an absolute path"),
        ({"custom_mounts": ("as", [""])}, "not an absolute path"),
        ({"custom_mounts": ("as", ["/srv/\n"])}, "a mount cannot have"),
        *(
            ({each.key: ("b", True)}, f"{each.flag} is refused")
            for each in CREATE_OPTIONS.options
            if each.unavailable
        ),
    ],
)
def test_options_that_cannot_be(
    bus: Bus, traceless: str, options: dict[str, Any], reason: str
) -> None:
    """What the table does not have, or has otherwise, is refused before anything is done."""
    with pytest.raises(KapsuleError, match=reason) as raised:
        carry_out(bus, "CreateContainer", "ssa{sv}", traceless, "local:busybox", options)
    assert raised.value.hint


@pytest.mark.parametrize("key", ["gpu", "host_rootfs", "mount_home", "custom_mounts"])
def test_options_of_another_type(bus: Bus, traceless: str, key: str) -> None:
    """Nothing is taken for something else, however deep it is wrapped."""
    right = "as" if key == "custom_mounts" else "b"
    for signature, value in VARIANT_TYPES.items():
        if signature == right:
            continue
        for wrapped in ((signature, value), ("v", ("v", (signature, value)))):
            with pytest.raises(KapsuleError, match=f"--{key.replace('_', '-')} must be"):
                carry_out(
                    bus, "CreateContainer", "ssa{sv}", traceless, "local:busybox", {key: wrapped}
                )


# --- custom mounts


@pytest.fixture(scope="module")
def odd_paths(alice: User) -> Iterator[str]:
    """A directory with things in it that are no directories to share."""
    folder = "/home/alice/odd"
    alice.run("sh", "-c", "mkdir odd && cd odd && mkfifo fifo && touch file && mkdir closed own")
    alice.run("sh", "-c", "cd odd && ln -s /root to-root && ln -s / to-slash && ln -s no dangling")
    alice.run("sh", "-c", "cd odd && ln -s loop loop && ln -s /proc/self/root to-proc")
    os.chown(f"{folder}/closed", 0, 0)
    os.chmod(f"{folder}/closed", 0o700)
    yield folder
    subprocess.run(["rm", "-r", folder], check=True)


@pytest.mark.parametrize(
    ("paths", "reason"),
    [
        (["/nonexistent"], "/nonexistent does not exist"),
        (["/root"], "/root cannot be shared: Permission denied"),
        (["/root/.ssh"], "cannot be shared: Permission denied"),
        (["~/odd/closed"], "Permission denied"),
        (["~/odd/to-root"], "Permission denied"),
        (["~/odd/to-slash"], "leads to /"),
        (["~/odd/to-proc"], "cannot be shared"),
        (["~/odd/loop"], "Too many levels of symbolic links"),
        (["~/odd/fifo"], "Not a directory"),
        (["~/odd/file"], "Not a directory"),
        (["~/odd/file/below"], "Not a directory"),
        (["~/odd/closed/below"], "Permission denied"),
        (["/proc/1/root"], "has its own there"),
        (["/etc"], "has its own there"),
        (["~/../bob"], "climbs"),
        (["~bob/x"], "not an absolute path"),
        (["~/odd/own", "~/odd/own/"], "twice"),
        (["/srv", "~/odd/new", "/nonexistent"], "does not exist"),
    ],
)
def test_mounts_that_cannot_be(
    alice: User, odd_paths: str, traceless: str, paths: list[str], reason: str
) -> None:
    """Nobody shares what they may not read themselves, and no directory is made for nothing."""
    flags = [word for path in paths for word in ("--custom-mounts", path)]
    content = sorted(os.listdir(odd_paths))
    create = ("create", traceless, "--image", "local:busybox", "--no-mount-home")
    refused(alice.kapsule(*create, *flags), reason)
    assert sorted(os.listdir(odd_paths)) == content


# --- what is too much


def test_a_two_megabyte_environment(alice: User, container: str) -> None:
    """It arrives whole if the kernel lets a program have it, or is refused with the reason."""
    script = (
        "ulimit -s unlimited; big=$(head -c 100000 /dev/zero | tr '\\0' x); words=; "
        'for n in $(seq 21); do export "BIG_$n=$big"; words="$words --env BIG_$n"; done; '
        f"exec kapsule enter $words {container} -- true"
    )
    result = alice.run("sh", "-c", script)
    refused(result, "Argument list too long", "Fewer or shorter", code=125)
    assert alice.kapsule("enter", container, "--", "echo", "alive").text == "alive"


def test_one_variable_that_is_too_long(alice: User, container: str) -> None:
    """No program can have a string of more than 128 KiB: execve(2)."""
    with connect(alice) as bus, pytest.raises(KapsuleError, match="too long") as raised:
        enter(bus, container, environment={"BIG": "x" * 200_000})
    assert raised.value.hint


def test_arguments_of_a_hundred_thousand_bytes(alice: User, container: str) -> None:
    """One long word, and as many words as a command line holds, arrive unchanged."""
    words = ["x" * 100_000, *map(str, range(20_000))]
    script = 'printf "%s " "${#1}" "$#"; shift 20000; echo "$1"'
    result = alice.kapsule("enter", container, "--", "bash", "-c", script, "bash", *words)
    assert result.text.split() == ["100000", "20001", "19999"]


def test_more_than_a_message_holds(alice: User, bus: Bus, container: str) -> None:
    """What the bus does not carry is an error of whoever sent it; the others do not notice."""
    with contextlib.suppress(KapsuleError), connect(alice) as greedy:
        enter(greedy, container, command=["x" * 1_000_000] * 140)
    with connect(alice) as greedy, pytest.raises(KapsuleError):
        enter(greedy, container, command=["true", "x" * 30_000_000])
    assert bus.get_container_info(container).status == "Running"


def test_words_that_are_no_text(alice: User, container: str) -> None:
    """Bytes that are not UTF-8 cannot cross the bus; that is said, instead of sending others."""
    script = f"kapsule enter {container} -- echo $(printf '\\377')"
    refused(alice.run("sh", "-c", script), "not UTF-8", code=125)
