# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make install` puts where, in the box, where it ran before the tests."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.system.support.users import User

SOURCE = Path("/src")
PLACES = (
    "bin/kap",
    "bin/kapsule",
    "lib/kapsule/kapsule-daemon",
    "lib/kapsule/kapsule-session",
    "lib/kapsule/kapsule.conf",
    "lib/systemd/system-preset/50-kapsule.preset",
    "lib/sysctl.d/50-kapsule.conf",
    "lib/systemd/system/kapsule-daemon.service",
    "lib/systemd/system/kapsule-session.service",
    "lib/systemd/system/kapsule-session.socket",
    "share/bash-completion/completions/kap",
    "share/bash-completion/completions/kapsule",
    "share/dbus-1/interfaces/org.kde.kapsule.Operation.xml",
    "share/dbus-1/interfaces/org.kde.kapsule.xml",
    "share/dbus-1/system-services/org.kde.kapsule.service",
    "share/dbus-1/system.d/org.kde.kapsule.conf",
    "share/fish/vendor_completions.d/kapsule.fish",
    "share/man/man1/kapsule-enter.1",
    "share/man/man1/kapsule.1",
    "share/polkit-1/actions/org.kde.kapsule.policy",
    "share/zsh/vendor-completions/_kapsule",
)


def _make(target: str, destination: Path) -> None:
    variables = {"DESTDIR": str(destination), "VENDOR": "0"}
    variables["DEPENDENCIES"] = "/usr/lib/kapsule-test-deps"
    subprocess.run(["make", "-s", target], cwd=SOURCE, env=os.environ | variables, check=True)


@pytest.fixture(scope="module")
def destination(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which `make install DESTDIR=` installed."""
    folder = tmp_path_factory.mktemp("destination")
    _make("install", folder)
    return folder


@pytest.mark.parametrize("place", PLACES)
def test_everything_is_in_its_place(destination: Path, place: str) -> None:
    """Programs, units, D-Bus files, man pages and completions lie where distributions look."""
    assert (destination / "usr" / place).is_file()
    assert Path("/usr", place).is_file()


def test_nothing_is_outside_the_prefix(destination: Path) -> None:
    """What belongs to the machine's administrator, such as /etc, is left alone."""
    assert os.listdir(destination) == ["usr"]


def test_no_trace_of_the_destination(destination: Path) -> None:
    """No installed file speaks of the folder that it was put together in."""
    command = ["grep", "-rlF", str(destination), str(destination)]
    assert subprocess.run(command, capture_output=True, text=True).stdout == ""


def test_every_module_is_compiled(destination: Path) -> None:
    """No start of the command compiles a module, whatever becomes of the files' times."""
    package = destination / "usr/lib/kapsule/python/kapsule"
    for module in package.rglob("*.py"):
        compiled = list((module.parent / "__pycache__").glob(f"{module.stem}.cpython-*.pyc"))
        assert compiled, module
        flags = compiled[0].read_bytes()[4:8]
        assert flags == b"\x01\0\0\0"  # hash-based, unchecked: PEP 552


def test_the_command_starts_without_site(root: User) -> None:
    """No .pth file and no variable of the caller's reaches a program that root may run."""
    result = root.run("kapsule", "--version", env={"PYTHONPATH": "/nowhere", "PYTHONVERBOSE": "1"})
    assert result.code == 0
    assert "import 'site'" not in result.error


def test_uninstall_leaves_nothing(tmp_path: Path) -> None:
    """`make uninstall` removes every file that `make install` made."""
    _make("install", tmp_path)
    _make("uninstall", tmp_path)
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []


def test_systemd_understands_the_units(root: User) -> None:
    """No unit has a directive that systemd does not know, or a reference that leads nowhere."""
    units = ("kapsule-daemon.service", "kapsule-session.service", "kapsule-session.socket")
    result = root.run("systemd-analyze", "verify", "--man=no", *units)
    assert "kapsule" not in result.error
    assert result.code == 0


@pytest.mark.main
def test_the_bus_starts_the_daemon(bob: User, root: User) -> None:
    """A call from anybody brings the daemon up, as a distribution's desktop expects."""
    root.run("systemctl", "stop", "kapsule-daemon.service")
    result = bob.kapsule("list")
    assert result.code == 0, result.error
    assert root.run("systemctl", "is-active", "kapsule-daemon.service").text == "active"
