# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that hang or change by themselves, disks that are full, servers that are no good."""

import asyncio
import contextlib
import json
import os
import signal
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from kapsule.errors import KapsuleError
from tests.system.support import traces
from tests.system.support.box import DAEMON, frozen, main_pid, refused, systemctl
from tests.system.support.bus import Changes, carry_out, connect, status
from tests.system.support.command import BUSYBOX, DEBIAN, Command
from tests.system.support.image_server import ImageServer, image_server
from tests.system.support.traces import until
from tests.system.support.users import User, incus

IMAGE_HOST = "images.linuxcontainers.org"


# --- guests


def test_a_guest_whose_init_hangs(alice: User, traceless: str) -> None:
    """One gets in as oneself, and can take it away."""
    assert alice.kapsule("create", traceless, "--image", "local:hung").code == 0
    assert alice.kapsule("enter", traceless, "--", "id", "-un").text == "alice"
    assert alice.kapsule("enter", "--root", traceless, "--", "id", "-u").text == "0"
    assert alice.kapsule("rm", "--force", traceless).code == 0


def test_an_init_that_hangs_later(alice: User, traceless: str) -> None:
    """Whoever waits for a login session can leave; root does not need one, and force removes it."""
    assert alice.kapsule("create", traceless, *DEBIAN).code == 0
    with frozen(_init_of(traceless)):
        before = traces.take().helpers
        with Command(alice, "enter", traceless, "--", "true") as enter:
            until(lambda: traces.take().helpers > before)
            enter.send(signal.SIGINT)
            assert enter.end().code == 130
        assert alice.kapsule("enter", "--root", traceless, "--", "id", "-u").text == "0"
        assert alice.kapsule("rm", "--force", traceless).code == 0


def _init_of(name: str) -> int:
    state: dict[str, int] = json.loads(incus("query", f"/1.0/instances/{name}/state"))
    return state["pid"]


def test_a_guest_that_is_frozen(alice: User, small: str) -> None:
    """No account is made in it; it is thawed by whoever enters."""
    incus("pause", small)
    account = (1000, 1000, "alice", "/home/alice")
    with connect(alice) as bus, pytest.raises(KapsuleError, match="is frozen") as raised:
        carry_out(bus, "SetupUser", "suuss", small, *account)
    assert "kapsule start" in raised.value.hint
    assert alice.kapsule("enter", small, "--", "id", "-un").text == "alice"


def test_an_init_by_a_name_that_is_no_text(alice: User, small: str) -> None:
    """One gets in, with all of the filters, though its name reads like a line that says of none."""
    script = "printf '\\377\\rSeccomp:\\t0' > /proc/self/comm; while :; do sleep 3600; done"
    command = 'rm /sbin/init; printf "#!/bin/sh\\n%s\\n" "$1" > /sbin/init; chmod 755 /sbin/init'
    incus("exec", small, "--", "sh", "-c", command, "sh", script)
    incus("restart", "--force", small)
    until(lambda: Path(f"/proc/{_init_of(small)}/comm").read_bytes().startswith(b"\xff\r"))
    count = ("grep", "-h", "^Seccomp:", "/proc/1/status", "/proc/self/status")
    for flags in ((), ("--root",)):
        said = alice.kapsule("enter", *flags, small, "--", *count).text
        assert said.splitlines() == ["Seccomp:\t2"] * 2
    assert alice.kapsule("rm", "--force", small).code == 0


def test_a_guest_without_a_shell(alice: User, traceless: str) -> None:
    """Nothing can be run in it, and that is said; all else can be done with it."""
    assert alice.kapsule("create", traceless, "--image", "local:noshell").code == 0
    for words in ([traceless], [traceless, "--", "ls"], ["--root", traceless]):
        refused(alice.kapsule("enter", *words), f"Container '{traceless}' has no shell", code=125)
    assert alice.kapsule("restart", "--force", traceless).code == 0
    assert alice.kapsule("rm", "--force", traceless).code == 0


@pytest.mark.usefixtures("_sound_daemon")
def test_changes_from_inside_and_elsewhere(alice: User, fresh_name: str) -> None:
    """What a guest does to itself, and what the `incus` command does, is told and listed."""
    with Changes() as changes:
        assert alice.kapsule("create", fresh_name, *DEBIAN).code == 0
        changes.expect(lambda: status(fresh_name) == "Running")
        alice.kapsule("enter", fresh_name, "--", "sudo", "reboot", "-f")
        until(lambda: alice.kapsule("enter", fresh_name, "--", "true").code == 0)
        assert status(fresh_name) == "Running"
        alice.kapsule("enter", fresh_name, "--", "sudo", "poweroff", "-f")
        changes.expect(lambda: status(fresh_name) == "Stopped")
        incus("start", fresh_name)
        changes.expect(lambda: status(fresh_name) == "Running")
        incus("pause", fresh_name)
        changes.expect(lambda: status(fresh_name) == "Frozen")
        incus("stop", "--force", fresh_name)
        changes.expect(lambda: status(fresh_name) == "Stopped")
        incus("rename", fresh_name, f"{fresh_name}-x")
        changes.expect(lambda: status(f"{fresh_name}-x") == "Stopped" and not status(fresh_name))
        incus("delete", f"{fresh_name}-x")
        changes.expect(lambda: status(f"{fresh_name}-x") is None)


def test_mounts_do_not_multiply(alice: User, traceless: str) -> None:
    """A container that sees the host gets nothing of the next ones: the kernel's mounts are few."""
    names = [f"{traceless}-{number}" for number in range(3)]
    assert alice.kapsule("create", names[0], *BUSYBOX).code == 0
    mounts = Path(f"/proc/{_init_of(names[0])}/mounts")
    before = mounts.read_text()
    for name in names[1:]:
        assert alice.kapsule("create", name, *BUSYBOX).code == 0
    assert mounts.read_text() == before
    assert alice.kapsule("rm", "--force", *names).code == 0


def test_what_is_mounted_later_is_seen(alice: User, small: str, tmp_path: Path) -> None:
    """A disk that comes, and goes, does so inside, too."""
    subprocess.run(["mount", "-t", "tmpfs", "stick", str(tmp_path)], check=True)
    tmp_path.joinpath("file").touch()
    inside = f"/.kapsule/host{tmp_path}"
    assert alice.kapsule("enter", "--root", small, "--", "ls", inside).text == "file"
    subprocess.run(["umount", str(tmp_path)], check=True)
    assert alice.kapsule("enter", "--root", small, "--", "ls", inside).text == ""


def test_what_is_mounted_in_the_home_is_seen(alice: User, traceless: str) -> None:
    """A file system that lies in the home comes along with it, and nothing below it is root's."""
    folder = Path("/home/alice/disk")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "uid=1000", "disk", str(folder)], check=True)
    folder.joinpath("file").touch()
    assert alice.kapsule("create", traceless, *BUSYBOX).code == 0
    assert alice.kapsule("enter", traceless, "--", "ls", str(folder)).text == "file"
    assert alice.kapsule("rm", "--force", traceless).code == 0
    assert folder.joinpath("file").exists()
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


@pytest.mark.usefixtures("_sound_daemon")
def test_no_descriptor_of_a_container_outlives_it(alice: User, container: str) -> None:
    """What the daemon holds of a container that is gone is let go with the next one."""
    names = [f"{container}-{number}" for number in range(3)]
    before = len(os.listdir(f"/proc/{main_pid(DAEMON)}/fd"))
    for name in names:
        assert alice.kapsule("create", name, *BUSYBOX).code == 0
        assert alice.kapsule("rm", "--force", name).code == 0
    until(lambda: len(os.listdir(f"/proc/{main_pid(DAEMON)}/fd")) <= before + 2)


# --- full disks


@pytest.fixture
def tight_pool(tmp_path: Path) -> Iterator[str]:
    """The directory of a storage pool of 20 MB, which new containers go to."""
    memory = ["mount", "-t", "tmpfs", "-o", "size=20m,mode=711", "tight", str(tmp_path)]
    subprocess.run(memory, check=True)
    incus("storage", "create", "tight", "dir", f"source={tmp_path}")
    before = incus("profile", "device", "get", "default", "root", "pool").strip()
    incus("profile", "device", "set", "default", "root", "pool=tight")
    yield str(tmp_path)
    incus("profile", "device", "set", "default", "root", f"pool={before}")
    incus("storage", "delete", "tight")
    subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.usefixtures("tight_pool")
def test_a_disk_too_small_for_the_image(alice: User, traceless: str) -> None:
    """Incus's reason is told, and what was unpacked so far is gone."""
    refused(alice.kapsule("create", traceless, *DEBIAN), "run out of disk space", "Make room")
    assert "containers" not in incus("storage", "volume", "list", "tight", "--format=csv")


def test_a_disk_that_fills_up(alice: User, tight_pool: str, traceless: str) -> None:
    """No account can be made then; the guest is as it was, and the next enter tries again."""
    create = ("create", traceless, *BUSYBOX, "--no-mount-home", "--no-host-rootfs")
    assert alice.kapsule(*create).code == 0
    etc = Path(tight_pool, "containers", traceless, "rootfs/etc")
    for file in ("passwd", "group", "shadow"):
        lines = etc.joinpath(file).read_text().splitlines(keepends=True)
        etc.joinpath(file).write_text("".join(x for x in lines if not x.startswith("alice")))
    filling = Path(tight_pool, "filling")
    with filling.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while stream.write(bytes(4096)):
            continue
    before = {each.name: each.read_bytes() for each in etc.iterdir() if each.is_file()}
    refused(alice.kapsule("enter", traceless, "--", "id"), "No space left on device", code=125)
    assert {each.name: each.read_bytes() for each in etc.iterdir() if each.is_file()} == before
    filling.unlink()
    assert alice.kapsule("enter", traceless, "--", "id", "-un").text == "alice"
    assert alice.kapsule("rm", "--force", traceless).code == 0


# --- image servers


@pytest.fixture(scope="module")
def _images_come_from_here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What asks for images.linuxcontainers.org gets to a server of ours, and believes it."""
    folder = tmp_path_factory.mktemp("tls")
    certificate = (
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-subj", f"/CN={IMAGE_HOST}", "-addext", f"subjectAltName=DNS:{IMAGE_HOST}"),
        *("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")),
    )
    subprocess.run(certificate, check=True, capture_output=True)
    changed = {
        Path("/etc/hosts"): f"127.0.0.1 {IMAGE_HOST}\n",
        Path("/etc/ssl/certs/ca-certificates.crt"): (folder / "cert.pem").read_text(),
    }
    before = {file: file.read_text() for file in changed}
    for file, addition in changed.items():
        file.write_text(before[file] + addition)
    systemctl("restart", "incus.service")
    yield folder
    for file, text in before.items():
        file.write_text(text)
    systemctl("restart", "incus.service")


@pytest.fixture
async def server(_images_come_from_here: Path) -> AsyncIterator[ImageServer]:
    """A slow server for the image `images:tiny`, which is nothing that could be unpacked."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(_images_come_from_here / "cert.pem", _images_come_from_here / "key.pem")
    async with image_server(443, tls) as server:
        yield server
    # Incus remembers what a server has: nobody would be asked the next time.
    await asyncio.to_thread(subprocess.run, ["sh", "-c", "rm -rf /var/cache/incus/*"], check=True)
    incus("image", "delete", server.fingerprint, check=False)


async def test_a_server_without_the_image(alice: User, server: ImageServer, traceless: str) -> None:
    """It is asked, and what it does not have is not found."""
    result = await asyncio.to_thread(alice.kapsule, "create", traceless, "--image", "images:huge")
    refused(result, f"https://{IMAGE_HOST} has no image 'huge'")


async def test_interrupting_a_download(alice: User, server: ImageServer, traceless: str) -> None:
    """It ends at Incus, too, and no part of the image stays."""
    with Command(alice, "create", traceless, "--image", "images:tiny") as create:
        await asyncio.to_thread(create.hear, "Fetching image images:tiny")
        async with asyncio.timeout(30):
            await server.is_half_sent.wait()
        create.send(signal.SIGINT)
        result = await asyncio.to_thread(create.end)
    assert result.code == 130
    server.hurry.set()
    async with asyncio.timeout(30):
        await server.was_hung_up_on.wait()


async def test_a_download_that_breaks_off(alice: User, server: ImageServer, traceless: str) -> None:
    """The reason is told, and no part of the image stays."""
    server.breaks_off = True
    server.hurry.set()
    result = await asyncio.to_thread(alice.kapsule, "create", traceless, "--image", "images:tiny")
    refused(result, "Image images:tiny cannot be fetched", "unexpected EOF")


async def test_an_image_that_is_none(alice: User, server: ImageServer, traceless: str) -> None:
    """It cannot be unpacked; only the image itself stays, as what was fetched always does."""
    server.hurry.set()
    result = await asyncio.to_thread(alice.kapsule, "create", traceless, "--image", "images:tiny")
    refused(result)
    assert server.fingerprint in incus("image", "list", "--format=csv", "--columns=F")
    incus("image", "delete", server.fingerprint)
