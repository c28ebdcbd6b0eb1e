# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, stop, restart and delete, on a real Incus and real guests."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from kapsule import names
from kapsule.containers import stop as stop_module
from kapsule.containers.backend import Backend
from kapsule.containers.delete import delete_container
from kapsule.containers.restart import restart_container
from kapsule.containers.start import start_container
from kapsule.containers.stop import stop_container
from kapsule.errors import Busy, IncusError, NotFound
from kapsule.host import network_namespace
from kapsule.incus import instances
from kapsule.testing.recording_progress import RecordingProgress
from tests.system.support.backend import CancellingProgress, make, wait_for_boot
from tests.system.support.users import incus


@pytest.fixture
def progress() -> RecordingProgress:
    """What the run says."""
    return RecordingProgress()


@pytest.fixture
async def container(backend: Backend, fresh_name: str) -> str:
    """A running container without much in it."""
    await make(backend, fresh_name, image="local:busybox")
    return fresh_name


async def _status(backend: Backend, name: str) -> str:
    return (await instances.get_instance(backend.incus, name)).status


async def test_a_clean_stop(backend: Backend, fresh_name: str, progress: RecordingProgress) -> None:
    """The guest shuts down by itself, and its stop jobs run."""
    await make(backend, fresh_name)
    unit = "systemd-run --unit=last --property=ExecStop='/bin/touch /root/stopped' sleep inf"
    await wait_for_boot(fresh_name)
    incus("exec", fresh_name, "--", "sh", "-c", unit)
    await stop_container(backend, fresh_name, force=False, progress=progress)
    assert await _status(backend, fresh_name) == "Stopped"
    assert backend.registry.get(fresh_name).status == "Stopped"
    assert progress.warnings == []
    incus("file", "pull", f"{fresh_name}/root/stopped", "-")


async def test_a_guest_that_does_not_stop(
    backend: Backend, fresh_name: str, progress: RecordingProgress, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the deadline it is stopped by force, and that is said."""
    monkeypatch.setattr(stop_module, "_DEADLINE", 2)
    await make(backend, fresh_name, image="local:hung")
    await stop_container(backend, fresh_name, force=False, progress=progress)
    assert backend.registry.get(fresh_name).status == "Stopped"
    assert any("by force" in text for text in progress.warnings)


async def test_a_forced_stop(backend: Backend, container: str, progress: RecordingProgress) -> None:
    """Force waits for nobody."""
    await stop_container(backend, container, force=True, progress=progress)
    assert backend.registry.get(container).status == "Stopped"
    assert progress.warnings == []


@pytest.mark.parametrize("force", [False, True])
async def test_stopping_a_frozen_one(
    backend: Backend,
    container: str,
    progress: RecordingProgress,
    monkeypatch: pytest.MonkeyPatch,
    force: bool,
) -> None:
    """A frozen container is stopped like any other."""
    monkeypatch.setattr(stop_module, "_DEADLINE", 2)
    incus("pause", container)
    await stop_container(backend, container, force=force, progress=progress)
    assert backend.registry.get(container).status == "Stopped"


async def test_stopping_what_is_stopped(
    backend: Backend, container: str, progress: RecordingProgress
) -> None:
    """That is no failure; a warning says so."""
    incus("stop", "--force", container)
    await stop_container(backend, container, force=False, progress=progress)
    assert progress.warnings == [f"Container '{container}' is not running"]


async def test_start(backend: Backend, container: str, progress: RecordingProgress) -> None:
    """A stopped container runs when start is through; starting it again is only warned of."""
    incus("stop", "--force", container)
    await start_container(backend, container, progress)
    assert backend.registry.get(container).status == "Running"
    assert progress.warnings == []
    await start_container(backend, container, progress)
    assert progress.warnings == [f"Container '{container}' is already running"]


async def test_start_thaws(backend: Backend, container: str, progress: RecordingProgress) -> None:
    """A frozen container goes on."""
    incus("pause", container)
    await start_container(backend, container, progress)
    assert await _status(backend, container) == "Running"


def _forget_network_file() -> None:
    """Leave /run as a reboot does."""
    subprocess.run(["umount", network_namespace.FILE], stderr=subprocess.DEVNULL)
    Path(network_namespace.FILE).unlink(missing_ok=True)


async def test_start_after_a_reboot_of_the_host(
    backend: Backend, container: str, progress: RecordingProgress
) -> None:
    """Where the network is shared by a file of ours, start makes the file anew."""
    incus("stop", "--force", container)
    raw = f"lxc.namespace.share.net={network_namespace.FILE}"
    incus("config", "set", container, f"raw.lxc={raw}")
    _forget_network_file()
    await start_container(backend, container, progress)
    pid = (await instances.get_state(backend.incus, container)).pid
    assert os.stat(f"/proc/{pid}/ns/net").st_ino == os.stat("/proc/self/ns/net").st_ino


async def test_start_that_fails(
    backend: Backend, container: str, progress: RecordingProgress, tmp_path: Path
) -> None:
    """Incus's reason comes through, and the container is as it was."""
    source = tmp_path / "gone"
    source.mkdir()
    incus("stop", "--force", container)
    incus("config", "device", "add", container, "x", "disk", f"source={source}", "path=/x")
    source.rmdir()
    with pytest.raises(IncusError, match=f"{source}"):
        await start_container(backend, container, progress)
    assert await _status(backend, container) == "Stopped"


async def test_a_cancelled_start(backend: Backend, container: str) -> None:
    """A start that is cancelled leaves the container stopped."""
    incus("stop", "--force", container)
    with pytest.raises(asyncio.CancelledError):
        await start_container(backend, container, CancellingProgress(f"Starting {container}"))
    assert await _status(backend, container) == "Stopped"
    assert backend.registry.get(container).status == "Stopped"


async def test_restart(backend: Backend, container: str, progress: RecordingProgress) -> None:
    """After a restart another init runs."""
    before = (await instances.get_state(backend.incus, container)).pid
    await restart_container(backend, container, force=True, progress=progress)
    after = (await instances.get_state(backend.incus, container)).pid
    assert after not in (0, before)


async def test_restart_of_a_stopped_one(
    backend: Backend, container: str, progress: RecordingProgress
) -> None:
    """A stopped container is just started."""
    incus("stop", "--force", container)
    await restart_container(backend, container, force=False, progress=progress)
    assert await _status(backend, container) == "Running"
    assert progress.warnings == []


async def test_deleting_a_running_one(
    backend: Backend, container: str, progress: RecordingProgress
) -> None:
    """That needs force, and says so; it is still running then."""
    with pytest.raises(Busy, match=f"Container '{container}' is running") as raised:
        await delete_container(backend, container, force=False, progress=progress)
    assert "--force" in raised.value.hint
    assert await _status(backend, container) == "Running"


@pytest.mark.parametrize("before", ["restart", "pause"])
async def test_forced_deletion(
    backend: Backend, container: str, progress: RecordingProgress, before: str
) -> None:
    """With force a running and a frozen container are deleted."""
    incus(before, container, *(["--force"] if before == "restart" else []))
    await delete_container(backend, container, force=True, progress=progress)
    assert backend.registry.find(container) is None
    assert container not in incus("list", "--format=csv", "--columns=n").split()


async def test_deleting_a_stopped_one(
    backend: Backend, container: str, progress: RecordingProgress
) -> None:
    """A stopped container needs no force."""
    incus("stop", "--force", container)
    await delete_container(backend, container, force=False, progress=progress)
    assert backend.registry.find(container) is None


async def test_what_does_not_exist(backend: Backend, progress: RecordingProgress) -> None:
    """Every verb says the same of a container that is not there."""
    text = "Container 'nobody' does not exist"
    with pytest.raises(NotFound, match=text):
        await start_container(backend, "nobody", progress)
    with pytest.raises(NotFound, match=text):
        await stop_container(backend, "nobody", force=False, progress=progress)
    with pytest.raises(NotFound, match=text):
        await restart_container(backend, "nobody", force=False, progress=progress)
    with pytest.raises(NotFound, match=text):
        await delete_container(backend, "nobody", force=True, progress=progress)


async def test_foreign_instances_are_left_alone(
    backend: Backend, container: str, progress: RecordingProgress
) -> None:
    """What Kapsule did not make does not exist for it, not even with force."""
    incus("config", "unset", container, names.KEY_OWNER)
    with pytest.raises(NotFound):
        await delete_container(backend, container, force=True, progress=progress)
    assert await _status(backend, container) == "Running"
