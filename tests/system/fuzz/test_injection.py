# SPDX-License-Identifier: GPL-3.0-or-later
"""Words of callers that would mean something else to a program or a server that is told them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import kapsule
from kapsule.errors import KapsuleError
from kapsule.images.resolve import resolve_image
from kapsule.incus import images, instances
from kapsule.incus.client import IncusClient
from tests.system.support.box import refused
from tests.system.support.bus import carry_out, connect, enter
from tests.system.support.image_server import image_server
from tests.system.support.users import User, incus

_SOURCE = Path(kapsule.__file__).parent

# Every place where a program is run -> what it runs and why no word of a caller is an option of it.
PROGRAMS = {
    "host/firewall.py": "nft, whose rules come over a pipe and are the same for everybody",
    "session/bus_proxy.py": "xdg-dbus-proxy, with fixed rules and an address that is escaped",
    "session/login.py": "su of the container, whose only word is an account's name; see below",
    "session/run.py": "what the daemon says, and no caller: locale-gen, systemctl and the like",
    "session/start.py": "the shell, and words for it; see below",
}
_RUNNING = re.compile(r"create_subprocess_|subprocess\.(run|Popen)|os\.(exec|spawn|posix_spawn)")


def test_every_program_is_in_the_list() -> None:
    """Who adds a place has to say which words come from a caller."""
    places = {
        str(file.relative_to(_SOURCE))
        for file in _SOURCE.rglob("*.py")
        if "testing" not in file.parts and _RUNNING.search("".join(_code(file.read_text())))
    }
    assert places == set(PROGRAMS)


def _code(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield line.partition("#")[0]


@pytest.mark.parametrize("name", ["-p", "--help", "-m0777", "--"])
def test_directories_that_look_like_options(alice: User, traceless: str, name: str) -> None:
    """mkdir makes what is named so in the home, and rmdir takes it away again."""
    path = f"/home/alice/{name}"
    create = ("create", traceless, "--image", "local:busybox", "--no-mount-home")
    mounts = (f"--custom-mounts={path}", "--custom-mounts=/nonexistent")
    refused(alice.kapsule(*create, *mounts), "/nonexistent does not exist")
    assert not Path(path).exists()
    assert alice.kapsule(*create, mounts[0]).code == 0
    assert Path(path).is_dir()
    assert alice.kapsule("rm", "--force", traceless).code == 0
    Path(path).rmdir()


@pytest.mark.parametrize("words", [["-c", "id"], ["-x"], ["--login"], ["--", "id"], ["-"]])
def test_commands_that_look_like_options(alice: User, container: str, words: list[str]) -> None:
    """They are the name of a program, and there is none."""
    result = alice.kapsule("enter", container, "--", *words)
    assert result.code == 127, result
    assert result.out == b""


@pytest.mark.parametrize("name", ["-x", "--all", "--help", "-", "--project=other", "-f"])
def test_names_that_look_like_options(alice: User, traceless: str, name: str) -> None:
    """They are names that nothing has, for each method that takes one."""
    with connect(alice) as bus:
        for member, signature, rest in (
            ("StartContainer", "s", ()),
            ("StopContainer", "sb", (True,)),
            ("DeleteContainer", "sb", (True,)),
            ("AddMount", "ss", ("/srv",)),
            ("CreateContainer", "ssa{sv}", ("local:busybox", {})),
        ):
            with pytest.raises(KapsuleError, match=r"does not exist|cannot be the name"):
                carry_out(bus, member, signature, name, *rest)
        with pytest.raises(KapsuleError, match="does not exist"):
            enter(bus, name)


# What would be another resource, another project or another request of Incus.
_URLS = (
    *("../images", "%2e%2e/images", "x/../../../1.0", "x?project=other", "x#y", "x&force=1"),
    *("x/snapshots/s", "x\r\nHost: y", "x HTTP/1.1", "\\..\\x", "//x/y", "x;y", "x/", "."),
)


@pytest.mark.parametrize("name", _URLS)
async def test_names_in_urls(alice: User, traceless: str, name: str) -> None:
    """Not even by Incus's client itself are they more than one step of a path."""
    before = incus("query", "/1.0/instances?recursion=1")
    client = IncusClient()
    with pytest.raises(KapsuleError):
        await instances.get_instance(client, name)
    await client.close()
    assert incus("query", "/1.0/instances?recursion=1") == before


@pytest.mark.parametrize("alias", [*_URLS, "tiny?x=y", "../tiny", "tiny/../tiny", "@x", "-x"])
async def test_image_references(alias: str) -> None:
    """What gets by the check is looked for in the server's list; the server hears nothing of it."""
    client = IncusClient()
    async with image_server() as server:
        try:
            source = resolve_image(f"here:{alias}", {"here": server.url})
        except KapsuleError:
            source = None
        found = source.alias if source else alias
        with pytest.raises(KapsuleError):
            await images.pull_image(client, server.url, found, "simplestreams", lambda _: None)
        assert set(server.requested) <= {"/streams/v1/index.json", "/streams/v1/images.json"}
    await client.close()
