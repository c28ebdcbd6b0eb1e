# SPDX-License-Identifier: GPL-3.0-or-later
"""Creation on a real Incus, with real images: what it makes, and that a failure leaves nothing."""

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from kapsule import names
from kapsule.containers.backend import Backend
from kapsule.containers.delete import delete_container
from kapsule.containers.guest import Guests
from kapsule.containers.start import start_container
from kapsule.create import CreateRequest, storage
from kapsule.create.pipeline import CREATE
from kapsule.create.request import CreateContext
from kapsule.errors import (
    AlreadyExists,
    GuestError,
    IncusError,
    IncusUnavailable,
    InvalidArgument,
    KapsuleError,
    NotFound,
)
from kapsule.incus import instances
from kapsule.incus.client import IncusClient
from kapsule.incus.errors import IncusNotFound
from kapsule.incus.types import Instance
from kapsule.options.schema import OptionValue
from kapsule.pipeline.pipeline import Pipeline
from kapsule.session.guest_actions import Action
from kapsule.testing.recording_progress import RecordingProgress
from tests.system.support.backend import CancellingProgress, account, make, wait_for_boot
from tests.system.support.users import User, in_container, incus


def _instances() -> list[str]:
    return incus("list", "--format=csv", "--columns=n").split()


async def _instance(backend: Backend, name: str) -> Instance:
    return await instances.get_instance(backend.incus, name)


def _in_guest(name: str, *command: str) -> str:
    return in_container(name, *command).stdout.strip()


async def _expect_failure(
    kind: type[KapsuleError], backend: Backend, name: str, **arguments: object
) -> KapsuleError:
    """Return the error with which creation fails; nothing is left of the container."""
    with pytest.raises(kind) as raised:
        await make(backend, name, **arguments)  # type: ignore[arg-type]  # passed on
    assert name not in _instances()
    assert backend.registry.find(name) is None
    return raised.value


# --- what it makes


@pytest.mark.main
async def test_a_container(backend: Backend, fresh_name: str) -> None:
    """A container is an instance with the keys and devices that scripts rely on, and it runs."""
    progress = RecordingProgress()
    await make(backend, fresh_name, progress=progress)
    instance = await _instance(backend, fresh_name)
    assert instance.status == "Running"
    assert instance.profiles == ()
    ours = {key: value for key, value in instance.config.items() if key.startswith("user.kapsule")}
    assert ours == {
        "user.kapsule.owner": "1000",
        "user.kapsule.setup-state": "done",
        "user.kapsule.trust": "full",
        "user.kapsule.privileged": "true",
        "user.kapsule.network": "host",
        "user.kapsule.desktop": "true",
        "user.kapsule.x11": "true",
        "user.kapsule.host-rootfs": "true",
        "user.kapsule.mount-home": "true",
        "user.kapsule.gpu": "true",
        "user.kapsule.nvidia-drivers": "false",
        "user.kapsule.host-users.1000.mapped": "true",
    }
    assert instance.config["security.privileged"] == instance.config["security.nesting"] == "true"
    assert instance.devices["hostfs"]["propagation"] == "rslave"
    assert instance.devices["kapsule-home-alice"]["path"] == "/home/alice"
    assert set(instance.devices) == {"root", "hostfs", "kapsule-home-alice"}
    assert backend.registry.get(fresh_name).status == "Running"
    assert progress.warnings == []


@pytest.mark.main
@pytest.mark.parametrize("image", ["debian", "ubuntu-like", "busybox", "noshell", "hung"])
async def test_every_guest(backend: Backend, fresh_name: str, image: str) -> None:
    """Whatever the image brings: host name, its entry, and the directory that tells programs."""
    await make(backend, fresh_name, image=f"local:{image}")
    boot = await backend.guests.boot(fresh_name)
    assert _read(boot.pid, "etc/hostname") == f"{fresh_name}\n"
    assert f"127.0.1.1\t{fresh_name}\n" in _read(boot.pid, "etc/hosts")
    assert _has_directory(boot.pid, ".kapsule")
    assert _live_host_name(boot.pid) == fresh_name


def _read(pid: int, file: str) -> str:
    return Path(f"/proc/{pid}/root/{file}").read_text()


def _has_directory(pid: int, directory: str) -> bool:
    return Path(f"/proc/{pid}/root/{directory}").is_dir()


def _live_host_name(pid: int) -> str:
    uts = ["nsenter", f"--target={pid}", "--uts", "uname", "-n"]
    return subprocess.run(uts, capture_output=True, text=True).stdout.strip()


async def test_host_network(backend: Backend, fresh_name: str) -> None:
    """The container is in the host's network namespace, by the way that this Incus accepts."""
    await make(backend, fresh_name, image="local:busybox")
    boot = await backend.guests.boot(fresh_name)
    assert os.stat(f"/proc/{boot.pid}/ns/net").st_ino == os.stat("/proc/self/ns/net").st_ino


async def test_guests_do_not_wait_for_a_network(backend: Backend, fresh_name: str) -> None:
    """The units that would wait are masked, the boot is complete, and nothing failed."""
    await make(backend, fresh_name)
    assert await wait_for_boot(fresh_name) == "running"
    unit = "systemd-networkd-wait-online.service"
    assert "masked" in _in_guest(fresh_name, "systemctl", "is-enabled", unit)


async def test_sudo_finds_its_host_name(backend: Backend, fresh_name: str) -> None:
    """sudo neither complains nor waits."""
    await make(backend, fresh_name)
    command = ["sh", "-c", "sudo true 2>&1 && getent hosts $(hostname)"]
    assert _in_guest(fresh_name, *command).split() == ["127.0.1.1", fresh_name]


async def test_shared_directories(backend: Backend, fresh_name: str, alice: User) -> None:
    """Home and host are visible in it, at their places, as soon as it is there."""
    alice.run("sh", "-c", "echo hello > ~/from-the-host")
    await make(backend, fresh_name)
    assert _in_guest(fresh_name, "cat", "/home/alice/from-the-host") == "hello"
    assert _in_guest(fresh_name, "cat", "/.kapsule/host/etc/hostname") == "box"


async def test_nothing_shared(backend: Backend, fresh_name: str) -> None:
    """With everything off, nothing of the host is in it."""
    await make(backend, fresh_name, host_rootfs=False, mount_home=False, gpu=False)
    assert set((await _instance(backend, fresh_name)).devices) == {"root"}
    assert _in_guest(fresh_name, "ls", "/.kapsule") == ""


async def test_a_host_without_gpu(backend: Backend, fresh_name: str) -> None:
    """A GPU that was asked for and is not there is left out with a warning."""
    progress = RecordingProgress()
    await make(backend, fresh_name, image="local:busybox", progress=progress, gpu=True)
    assert any("no GPU" in text for text in progress.warnings)


async def test_storage_pool(backend: Backend) -> None:
    """Where there is no pool, the best kind that is possible is made."""
    driver = await storage.create_pool(backend.incus, "t-pool")
    try:
        assert driver in ("btrfs", "dir")
        assert driver in incus("storage", "show", "t-pool")
    finally:
        incus("storage", "delete", "t-pool")


# --- custom mounts


async def test_custom_mounts(
    backend: Backend, fresh_name: str, alice: User, tmp_path: Path
) -> None:
    """A directory appears at its own path; one that is missing in the home is made by its user."""
    data = tmp_path / "with space.d"
    data.mkdir()
    data.joinpath("file").write_text("data")
    _open_up(data)
    wanted = (str(data), "~/new/deep")
    await make(backend, fresh_name, mount_home=False, custom_mounts=wanted)
    assert _in_guest(fresh_name, "cat", f"{data}/file") == "data"
    assert _in_guest(fresh_name, "stat", "-c%u %F", "/home/alice/new/deep") == "1000 directory"
    assert _in_guest(fresh_name, "stat", "-c%u", "/home/alice/new") == "1000"
    assert alice.run("stat", "-c%U", "new/deep").text == "alice"
    config = (await _instance(backend, fresh_name)).config
    assert json.loads(config[names.KEY_CUSTOM_MOUNTS]) == list(wanted)
    alice.run("rmdir", "-p", "new/deep")


def _open_up(directory: Path) -> None:
    """Let everybody reach a directory of pytest's."""
    for each in (directory, *directory.parents[:-2]):
        each.chmod(each.stat().st_mode | 0o055)


async def test_mount_that_goes_away(backend: Backend, fresh_name: str, tmp_path: Path) -> None:
    """A container starts without a directory that is gone."""
    data = tmp_path / "data"
    data.mkdir()
    _open_up(data)
    await make(backend, fresh_name, image="local:busybox", custom_mounts=(str(data),))
    incus("stop", "--force", fresh_name)
    data.rmdir()
    progress = RecordingProgress()
    await start_container(backend, fresh_name, progress)
    assert progress.warnings == [f"{data} is not there; starting without it"]
    incus("stop", "--force", fresh_name)
    data.mkdir()
    data.joinpath("back").touch()
    await start_container(backend, fresh_name, progress)
    assert _in_guest(fresh_name, "ls", str(data)) == "back"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/no/such", "does not exist"),
        ("/root", "Permission denied"),
        ("/etc/passwd", "Not a directory"),
        ("~/to-root", "Permission denied"),
        ("~/to-slash", "leads to /"),
        ("/proc/1/root", "has its own there"),
        ("/dev/fd/3", "has its own there"),
        ("~/../bob", "climbs"),
    ],
)
async def test_mounts_that_are_refused(fresh_name: str, path: str, reason: str) -> None:
    """What the caller may not read is not shared; that comes out before Incus is asked anything."""
    home = Path("/home/alice")
    for link, target in (("to-root", "/root"), ("to-slash", "/")):
        with contextlib.suppress(FileExistsError):
            (home / link).symlink_to(target)
    nowhere = IncusClient("/nonexistent")
    request = CreateRequest(
        fresh_name, "local:debian", {"custom_mounts": (path,)}, await account("alice")
    )
    backend = Backend(nowhere, None, Guests(nowhere))  # type: ignore[arg-type]  # never reached
    with pytest.raises(InvalidArgument, match=reason) as raised:
        await CREATE.run(CreateContext(backend, request, RecordingProgress()))
    assert path.startswith("~/..") or raised.value.message
    for link in ("to-root", "to-slash"):
        (home / link).unlink()


# --- names that are taken


async def test_own_name_again(backend: Backend, fresh_name: str) -> None:
    """The caller's own container of that name is named as such, and left alone."""
    await make(backend, fresh_name, image="local:busybox")
    with pytest.raises(AlreadyExists, match=f"Container '{fresh_name}' already exists$"):
        await make(backend, fresh_name)
    assert (await _instance(backend, fresh_name)).status == "Running"


async def test_name_of_another_user(backend: Backend, fresh_name: str) -> None:
    """Another user's container is left alone, and the message says why."""
    await make(backend, fresh_name, image="local:busybox")
    with pytest.raises(AlreadyExists, match="already exists and belongs to another user"):
        await make(backend, fresh_name, owner="bob")
    assert backend.registry.get(fresh_name).owner == 1000


async def test_name_of_a_foreign_instance(backend: Backend, fresh_name: str) -> None:
    """An instance that Kapsule did not make is left alone, not even undone."""
    incus("init", "busybox", fresh_name)
    with pytest.raises(AlreadyExists, match="Kapsule did not make"):
        await make(backend, fresh_name)
    assert fresh_name in _instances()


async def test_name_that_is_taken_meanwhile(backend: Backend, fresh_name: str) -> None:
    """Not even a name that is taken after the check costs somebody their instance."""

    async def take(_: CreateContext) -> None:
        incus("init", "busybox", fresh_name)

    with pytest.raises(AlreadyExists):
        await _run(_with_extra(1299, take), backend, fresh_name)
    assert fresh_name in _instances()


async def test_left_over_of_a_crash(backend: Backend, fresh_name: str) -> None:
    """What an earlier creation left behind does not block the name."""
    async with backend.registry.lock(fresh_name):
        keys = ["user.kapsule.owner=1000", "user.kapsule.setup-state=creating"]
        incus("launch", "busybox", fresh_name, *(f"--config={key}" for key in keys))
        await _run(CREATE, backend, fresh_name, lock=False)
    assert backend.registry.get(fresh_name).is_ready


# --- failures


async def test_missing_image(backend: Backend, fresh_name: str) -> None:
    """A local image that is not there is not found."""
    error = await _expect_failure(NotFound, backend, fresh_name, image="local:nothing")
    assert "There is no local image 'nothing'" in error.message


async def test_unreachable_server(backend: Backend, fresh_name: str) -> None:
    """A server that does not answer gives a clear error and a hint."""
    error = await _expect_failure(IncusError, backend, fresh_name, image="images:debian/12")
    assert "cannot be fetched from https://images.linuxcontainers.org" in error.message
    assert error.hint


@pytest.mark.parametrize("name", ["../x", "a b", "x" * 64, "", "-x", "1x", "x-", "a/b", "x\n"])
async def test_invalid_names(backend: Backend, name: str) -> None:
    """A name that cannot be a host name is refused."""
    with pytest.raises(InvalidArgument, match="cannot be the name"):
        await make(backend, name)


async def test_refused_instance(backend: Backend, fresh_name: str) -> None:
    """When Incus refuses the instance, nothing is left."""

    async def spoil(context: CreateContext) -> None:
        context.config["no.such.key"] = "1"

    with pytest.raises(IncusError):
        await _run(_with_extra(1299, spoil), backend, fresh_name)
    assert fresh_name not in _instances()


async def test_instance_that_does_not_start(backend: Backend, fresh_name: str) -> None:
    """When the instance was made but does not start, it is removed again."""

    async def spoil(context: CreateContext) -> None:
        context.devices["gpu"] = {"type": "gpu"}  # there is none

    with pytest.raises(IncusError):
        await _run(_with_extra(1299, spoil), backend, fresh_name, host_rootfs=False)
    assert fresh_name not in _instances()
    assert backend.registry.find(fresh_name) is None


class _StubbornGuests(Guests):
    """Guests whose files cannot be changed."""

    async def apply(self, name: str, actions: Sequence[Action]) -> list[Action]:
        raise GuestError("Read-only file system")


async def test_guest_that_cannot_be_changed(backend: Backend, fresh_name: str) -> None:
    """When the guest set-up fails, the running instance is removed again."""
    stubborn = Backend(backend.incus, backend.registry, _StubbornGuests(backend.incus))
    await _expect_failure(GuestError, stubborn, fresh_name)


async def test_full_disk(backend: Backend, fresh_name: str, tiny_pool: str) -> None:
    """On a full disk Incus's reason comes through, and nothing is left in the pool."""
    await _expect_failure(IncusError, backend, fresh_name)
    assert "containers" not in incus("storage", "volume", "list", tiny_pool, "--format=csv")


@pytest.fixture
def tiny_pool(tmp_path: Path) -> Iterator[str]:
    """A pool without room for an image, which the default profile names."""
    size = ["mount", "-t", "tmpfs", "-o", "size=20m,mode=711", "tiny", str(tmp_path)]
    subprocess.run(size, check=True)
    incus("storage", "create", "tiny", "dir", f"source={tmp_path}")
    before = incus("profile", "device", "get", "default", "root", "pool").strip()
    incus("profile", "device", "set", "default", "root", "pool=tiny")
    yield "tiny"
    incus("profile", "device", "set", "default", "root", f"pool={before}")
    incus("storage", "delete", "tiny")
    subprocess.run(["umount", str(tmp_path)], check=True)


def _systemctl(verb: str) -> None:
    units = ["incus.socket", "incus.service"]
    subprocess.run(["systemctl", verb, *(units if verb == "stop" else units[::-1])], check=True)


async def test_incus_goes_away(backend: Backend, fresh_name: str) -> None:
    """When Incus goes in the middle, creation fails; what is left goes when Incus is back."""

    async def stop(_: CreateContext) -> None:
        _systemctl("stop")

    try:
        with pytest.raises(IncusUnavailable):
            await _run(_with_extra(1301, stop), backend, fresh_name)
    finally:
        _systemctl("start")
    # Nobody tells; and our registry hears of it a moment after Incus has removed it.
    while fresh_name in _instances() or backend.registry.find(fresh_name):  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    with pytest.raises(NotFound):
        backend.registry.get(fresh_name)


async def test_incus_is_down(backend: Backend, fresh_name: str) -> None:
    """While Incus is down, every verb says so, with a hint."""
    _systemctl("stop")
    try:
        for attempt in (
            make(backend, fresh_name),
            start_container(backend, fresh_name, RecordingProgress()),
            delete_container(backend, fresh_name, force=True, progress=RecordingProgress()),
        ):
            with pytest.raises(IncusUnavailable) as raised:
                await attempt
            assert raised.value.hint
    finally:
        _systemctl("start")


async def test_made_directories_are_unmade(backend: Backend, fresh_name: str, alice: User) -> None:
    """Directories that were made for a mount go when the creation fails."""

    async def fail(_: CreateContext) -> None:
        raise IncusError("no")

    pipeline = _with_extra(1299, fail)
    with pytest.raises(IncusError):
        await _run(pipeline, backend, fresh_name, custom_mounts=("~/one/two",))
    assert alice.run("ls", "-d", "one").code != 0


# --- cancellation


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", [step.name for step in CREATE.steps])
async def test_cancelled_at_a_step(
    backend: Backend, fresh_name: str, alice: User, step: str, when: str
) -> None:
    """Cancelled before or after any step, creation leaves nothing behind."""

    async def cancel(_: CreateContext) -> None:
        task = asyncio.current_task()
        assert task
        task.cancel()
        await asyncio.sleep(0)

    order = next(each.order for each in CREATE.steps if each.name == step)
    pipeline = _with_extra(order + (1 if when == "after" else -1), cancel)
    run = asyncio.create_task(
        _run(pipeline, backend, fresh_name, image="local:busybox", custom_mounts=("~/one",))
    )
    await asyncio.wait({run})
    assert run.cancelled()
    assert fresh_name not in _instances()
    assert backend.registry.find(fresh_name) is None
    assert alice.run("ls", "-d", "one").code != 0


async def test_cancelled_with_the_request(backend: Backend, fresh_name: str) -> None:
    """Cancelled just when Incus gets its request, creation leaves nothing behind."""
    with pytest.raises(asyncio.CancelledError):
        await make(backend, fresh_name, progress=CancellingProgress(f"Creating {fresh_name}"))
    assert fresh_name not in _instances()
    assert backend.registry.find(fresh_name) is None


@pytest.mark.parametrize("status", ["Stopped", "Running"])
async def test_cancelled_in_the_middle(backend: Backend, fresh_name: str, status: str) -> None:
    """Cancelled while Incus makes or starts the instance, creation leaves nothing behind."""
    run = asyncio.create_task(make(backend, fresh_name))
    while await _status(backend, fresh_name) != status:  # noqa: ASYNC110  # nobody tells
        await asyncio.sleep(0)
    run.cancel()
    await asyncio.wait({run})
    assert run.cancelled()
    assert fresh_name not in _instances()
    assert backend.registry.find(fresh_name) is None


async def _status(backend: Backend, name: str) -> str:
    try:
        return (await _instance(backend, name)).status
    except IncusNotFound:
        return ""


def _with_extra(order: int, extra: object) -> Pipeline[CreateContext]:
    """Return the pipeline of creation with one more step."""
    pipeline = Pipeline[CreateContext]("create", "Create, with a difference")
    for step in CREATE.steps:
        pipeline.step(step.order, undo=step.undo)(step.run)
    pipeline.step(order)(extra)  # type: ignore[arg-type]  # a step
    return pipeline


async def _run(
    pipeline: Pipeline[CreateContext],
    backend: Backend,
    name: str,
    *,
    image: str = "local:debian",
    lock: bool = True,
    **options: OptionValue,
) -> None:
    request = CreateRequest(name, image, options, await account("alice"), may_be_privileged=True)
    guard = backend.registry.lock(name) if lock else contextlib.nullcontext()
    async with guard:
        await pipeline.run(CreateContext(backend, request, RecordingProgress()))
