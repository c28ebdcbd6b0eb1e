# SPDX-License-Identifier: GPL-3.0-or-later
"""`make run` and `make stop` from a checkout, with systemd and without it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.support.checkout import Checkout, copy_to
from tests.system.support.users import User

POLICY = Path("/etc/dbus-1/system.d/org.kde.kapsule.conf")
UNITS = Path("/run/systemd/system")
INSTALLED = ("kapsule-daemon.service", "kapsule-session.service", "kapsule-session.socket")


@pytest.fixture(scope="module", autouse=True)
def _default_container(root: User) -> Iterator[None]:
    """Root's default container exists: its image could not be fetched here."""
    name = root.run("kapsule", "config", "--json", "default_container").text
    assert "kapsule" in name
    created = root.kapsule("create", "kapsule", "--image", "local:debian")
    assert created.code == 0, created.error
    yield
    root.kapsule("rm", "--force", "kapsule")


@pytest.fixture(params=[True, False], ids=["systemd", "runner"])
def checkout(
    request: pytest.FixtureRequest, tmp_path: Path, _default_container: None
) -> Iterator[Checkout]:
    """A checkout on a machine on which Kapsule is not installed, while the test runs."""
    checkout = copy_to(tmp_path / "check out", has_systemd=request.param)
    subprocess.run(["systemctl", "stop", *INSTALLED], check=True)
    yield checkout
    subprocess.run(["make", "--silent", "stop"], cwd=checkout.folder, check=True)
    _start_installed()


def _start_installed() -> None:
    # systemd takes the many starts of these tests for a service that keeps failing.
    subprocess.run(["systemctl", "reset-failed", *INSTALLED], check=True)
    subprocess.run(["systemctl", "start", *INSTALLED], check=True)


def _processes(folder: Path) -> list[str]:
    listing = subprocess.run(["ps", "-ewwo", "args"], capture_output=True, text=True).stdout
    return [line for line in listing.splitlines() if str(folder) in line]


@pytest.mark.main
def test_run_ends_inside_the_container(checkout: Checkout) -> None:
    """It starts what does not run and describes where it got to, or runs CMD as it was typed."""
    first = checkout.make("run")
    assert first.code == 0, first.error
    identity, system, hostname = first.text.splitlines()
    assert identity.startswith("uid=0(root)")
    assert "Debian" in system
    assert hostname == "kapsule"
    second = checkout.make("run", "CMD=echo $(hostname) \"$HOME\" 'a  b'; exit 3")
    assert second.text == "kapsule /root a  b"
    assert second.code != 0
    assert "Starting" not in second.error


def test_stop_leaves_nothing(checkout: Checkout) -> None:
    """No process, file or mount remains; Incus, which ran before, still runs."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    subprocess.run(["incus", "stop", "--force", "kapsule"], check=False)
    assert checkout.make("run", "CMD=true").code == 0
    assert POLICY.exists()
    assert len(_processes(checkout.folder)) == 2
    stopped = checkout.make("stop")
    assert stopped.code == 0, stopped.error
    assert _processes(checkout.folder) == []
    assert not POLICY.exists()
    assert not Path("/run/kapsule").exists()
    assert not [name for name in os.listdir(UNITS) if "kapsule" in name]
    assert len(Path("/proc/self/mountinfo").read_text().splitlines()) <= len(mounts)
    state = subprocess.run(["incus", "list", "-f", "csv", "-c", "ns"], capture_output=True)
    assert b"kapsule,STOPPED" in state.stdout


def test_changed_sources_are_run(checkout: Checkout) -> None:
    """After a change of the sources, the next run has a new daemon."""
    assert checkout.make("run", "CMD=true").code == 0
    before = _processes(checkout.folder)
    module = checkout.folder / "src/kapsule/errors.py"
    module.write_text(module.read_text() + "\n# changed\n")
    again = checkout.make("run", "CMD=true")
    assert again.code == 0
    assert "Starting Kapsule's daemon" in again.error
    assert len(_processes(checkout.folder)) == len(before)


def test_a_daemon_that_runs_is_used(checkout: Checkout) -> None:
    """An installed daemon that runs already is neither started again nor stopped."""
    _start_installed()
    entered = checkout.make("run", "CMD=hostname")
    assert entered.text == "kapsule", entered.error
    assert checkout.make("stop").code == 0
    active = subprocess.run(["systemctl", "is-active", *INSTALLED], capture_output=True)
    assert active.stdout.split() == [b"active"] * 3
    assert Path("/run/kapsule/session.socket").exists()
