# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests run what people run: Podman in them, and nothing that would meddle with the network."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.support.backend import wait_for_boot
from tests.system.support.users import Result, User, incus

IMAGE = "local:desktop"
HELLO = ("bb", "/bin/echo", "hello")
# Of a box: it has no controller for processes, and its root may not raise limits.
SETTINGS = """[containers]
pids_limit = 0
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
"""
_CAP_SYS_RESOURCE = 24


def _may_raise_limits() -> bool:
    status = Path("/proc/self/status").read_text()
    (bounding,) = (line.split()[1] for line in status.splitlines() if line.startswith("CapBnd:"))
    return bool(int(bounding, 16) >> _CAP_SYS_RESOURCE & 1)


# Device rules take memory that root has to be allowed to lock.
AS_ROOT = () if _may_raise_limits() else ("--cgroups=disabled",)


@contextmanager
def busybox_image(user: User) -> Iterator[Path]:
    """Have an image for Podman and Docker, without any network: BusyBox alone."""
    tree, archive = Path("/tmp/bb"), Path(user.account.pw_dir) / "bb.tar"
    (tree / "bin").mkdir(parents=True)
    subprocess.run(["cp", "/bin/busybox", tree / "bin/busybox"], check=True)
    for applet in ("sh", "echo", "id"):
        (tree / "bin" / applet).symlink_to("busybox")
    subprocess.run(["tar", "-C", tree, "-cf", archive, "."], check=True)
    archive.chmod(0o644)
    try:
        yield archive
    finally:
        archive.unlink()
        shutil.rmtree(tree)


@pytest.fixture(scope="module")
def tarball(alice: User) -> Iterator[Path]:
    """An image of BusyBox."""
    with busybox_image(alice) as archive:
        yield archive


@pytest.fixture(scope="module", params=["default", "session"])
def guest(request: pytest.FixtureRequest, alice: User, tarball: Path) -> Iterator[str]:
    """A container with Podman, in either mode, that has the image."""
    name = f"nested-{request.param}"
    session = ("--session-mode",) if request.param == "session" else ()
    _create(alice, name, *session)
    try:
        _prepare(alice, name, tarball)
        yield name
    finally:
        incus("delete", "--force", name, check=False)


def _create(user: User, name: str, *words: str, image: str = IMAGE) -> None:
    result = user.kapsule("create", name, "--image", image, "--no-mount-home", "--no-gpu", *words)
    assert result.code == 0, result.error


def _prepare(user: User, name: str, tarball: Path) -> None:
    """Let Podman run in a box, and give it the image, to root's and to the user's store."""
    asyncio.run(wait_for_boot(name))  # until then the guest clears its temporary directories
    writes = ("enter", "--root", name, "--", "sh", "-c", "cat > /etc/containers/containers.conf")
    assert user.kapsule(*writes, data=SETTINGS.encode()).code == 0
    for who in (("--root",), ()):
        imported = _podman(user, name, "import", f"/.kapsule/host{tarball}", "bb", who=who)
        assert imported.code == 0, imported.error


def _podman(user: User, name: str, *words: str, who: tuple[str, ...] = ()) -> Result:
    return user.kapsule("enter", *who, name, "--", "podman", *words)


@pytest.mark.parametrize("network", ["none", "host", "slirp4netns"])
def test_rootless_podman(alice: User, guest: str, network: str) -> None:
    """The user runs containers without being root, with each kind of network."""
    result = _podman(alice, guest, "run", "--rm", f"--network={network}", *HELLO)
    assert (result.code, result.text) == (0, "hello"), result.error


def test_rootless_podman_keeps_the_user(alice: User, guest: str) -> None:
    """With subordinate ids and the user's own."""
    words = ("run", "--rm", "--userns=keep-id", "--network=none", "bb", "/bin/id", "-u")
    result = _podman(alice, guest, *words)
    assert result.text == "1000", result.error


def test_podman_of_root(alice: User, guest: str) -> None:
    """Root runs containers, too."""
    words = ("run", "--rm", "--network=host", *AS_ROOT, *HELLO)
    result = _podman(alice, guest, *words, who=("--root",))
    assert (result.code, result.text) == (0, "hello"), result.error


def test_who_makes_cgroups(alice: User, guest: str) -> None:
    """In session mode it is the user's systemd; otherwise Podman itself."""
    manager = _podman(alice, guest, "info", "--format", "{{.Host.CgroupManager}}").text
    assert manager == ("systemd" if guest == "nested-session" else "cgroupfs")


def test_nodes_are_open(alice: User, guest: str) -> None:
    """Rootless networks and overlays take these two."""
    script = "test -w /dev/net/tun && test -w /dev/fuse"
    assert alice.kapsule("enter", guest, "--", "sh", "-c", script).code == 0


def test_lost_capabilities(alice: User, fresh_name: str, tarball: Path) -> None:
    """An image whose newuidmap lost its rights gets them back when a container is made of it."""
    maker = f"{fresh_name}-m"
    incus("create", IMAGE, maker)
    for tool in ("newuidmap", "newgidmap"):
        mapper = Path("/tmp") / tool
        incus("file", "pull", f"{maker}/usr/bin/{tool}", str(mapper))
        incus("file", "delete", f"{maker}/usr/bin/{tool}")
        incus("file", "push", "--mode=0755", str(mapper), f"{maker}/usr/bin/{tool}")
    incus("publish", maker, "--alias", fresh_name, "--compression=none")
    incus("delete", maker)
    try:
        _create(alice, fresh_name, image=f"local:{fresh_name}")
        _prepare(alice, fresh_name, tarball)
        result = _podman(alice, fresh_name, "run", "--rm", "--network=none", *HELLO)
        assert (result.code, result.text) == (0, "hello"), result.error
    finally:
        incus("image", "delete", fresh_name)


# --- the host's network


WANTS = "/etc/systemd/system/multi-user.target.wants"
ALIAS = "dbus-org.freedesktop.network1.service"
MANAGERS = ("systemd-networkd.service", "nftables.service", "systemd-networkd-wait-online.service")


@pytest.fixture
def rules() -> Iterator[None]:
    """Rules of the host's firewall, which are still there at the end."""
    subprocess.run(["nft", "add", "table", "inet", "of-the-host"], check=True)
    yield
    subprocess.run(["nft", "delete", "table", "inet", "of-the-host"], check=True)


@pytest.mark.usefixtures("rules")
async def test_network_managers_stay_away(alice: User, fresh_name: str) -> None:
    """What an image has enabled neither runs nor delays the boot, not even by way of D-Bus."""
    _create(alice, fresh_name)
    for unit in MANAGERS:
        _link(fresh_name, unit, f"{WANTS}/{unit}")
    _link(fresh_name, MANAGERS[0], f"/etc/systemd/system/{ALIAS}")
    assert alice.kapsule("restart", fresh_name).code == 0
    assert await wait_for_boot(fresh_name) == "running"
    incus("exec", fresh_name, "--", "systemctl", "start", ALIAS, check=False)
    for unit in MANAGERS:
        state = ("exec", fresh_name, "--", "systemctl", "is-active", unit)
        assert incus(*state, check=False).strip() == "inactive"


def _link(name: str, unit: str, link: str) -> None:
    incus("exec", name, "--", "ln", "-sf", f"/usr/lib/systemd/system/{unit}", link)
