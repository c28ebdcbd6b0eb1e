# SPDX-License-Identifier: GPL-3.0-or-later
"""An isolated container reaches a few services of its user's session bus, and no others."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.desktop import host_only_service
from tests.system.desktop.desktop import Desktop, logged_in
from tests.system.desktop.guest import Guest
from tests.system.desktop.servers import SERVICE
from tests.system.support.traces import until
from tests.system.support.users import User, incus

_PROGRAM = "xdg-dbus-proxy"
# busctl of Debian 12 and this filter do not understand each other's greeting.
_CALL = 'dbus-send "--bus=$KAPSULE_HOST_BUS_ADDRESS" --print-reply'


_OWNER = "org.freedesktop.DBus.GetNameOwner"
_FORBIDDEN = (
    "org.freedesktop.systemd1 /org/freedesktop/systemd1"
    " org.freedesktop.systemd1.Manager.GetDefaultTarget",
    "org.freedesktop.DBus / org.freedesktop.DBus.UpdateActivationEnvironment dict:string:string:",
    "org.freedesktop.DBus / org.freedesktop.DBus.StartServiceByName"
    " string:org.freedesktop.systemd1 uint32:0",
)


@pytest.fixture(scope="module")
def desktop(alice: User) -> Iterator[Desktop]:
    """The desktop that alice is logged in to."""
    with logged_in(alice) as desktop:
        yield desktop


@pytest.fixture
def guest(desktop: Desktop, fresh_name: str) -> Guest:
    """An isolated container with programs that talk to a bus."""
    guest = Guest(fresh_name, desktop)
    guest.create("--trust", "project")
    return guest


_ALLOWED = {
    "org.freedesktop.Notifications": ("/org/freedesktop/Notifications", "Notify"),
    "org.kde.StatusNotifierWatcher": ("/StatusNotifierWatcher", "RegisterStatusNotifierItem"),
}


@pytest.mark.parametrize("name", _ALLOWED)
def test_what_can_be_called(guest: Guest, name: str) -> None:
    """Notifications and the tray, and nothing else that their owner offers, by whatever name."""
    place, member = _ALLOWED[name]
    others = (
        f"{name} /PlasmaShell org.kde.PlasmaShell.evaluateScript string:x",
        f"{name} {place} org.kde.PlasmaShell.evaluateScript string:x",
        f"{name} /PlasmaShell {name}.Word",
        f"{name} / org.freedesktop.DBus.Introspectable.Introspect",
    )
    with _service(guest.desktop, name) as answer:
        assert answer in guest.shell(f"{_CALL} --dest={name} {place} {name}.{member}")
        unique = guest.shell(f"{_CALL} --dest=org.freedesktop.DBus / {_OWNER} string:{name}")
        unique = unique.rpartition('string "')[2].rstrip('"')
        assert unique.startswith(":")
        for call in (*others, *(each.replace(name, unique, 1) for each in others)):
            result = guest.enter("sh", "-c", f"{_CALL} --dest={call}")
            assert answer not in result.text, call
            assert re.search("AccessDenied|NameHasNoOwner", result.error), call


def test_what_cannot_be_called(guest: Guest) -> None:
    """Nothing that starts programs, and nothing else at all."""
    refused = guest.enter("sh", "-c", f"{_CALL} --dest={SERVICE} / {SERVICE}.Word")
    assert guest.desktop.bus.answer not in refused.text + refused.error
    assert refused.code != 0
    for call in _FORBIDDEN:
        assert guest.enter("sh", "-c", f"{_CALL} --dest={call}").code != 0, call


def test_portals(guest: Guest) -> None:
    """Those that ask are reached; those that would open, install or start something are not."""
    name, place = "org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop"
    with _service(guest.desktop, name):
        for portal in ("FileChooser", "Settings", "Notification"):
            words = f"{_CALL} --dest={name} {place} org.freedesktop.portal.{portal}.Any"
            assert "denied" not in guest.enter("sh", "-c", words).error.lower(), portal
        refused = ("OpenURI", "Background", "DynamicLauncher", "RemoteDesktop", "Screenshot")
        for portal in (*refused, "Email", "Inhibit"):
            words = f"{_CALL} --dest={name} {place} org.freedesktop.portal.{portal}.Any"
            assert "denied" in guest.enter("sh", "-c", words).error.lower(), portal


def test_who_the_filter_is(guest: Guest) -> None:
    """A program of the user's, with no right of ours; one however often one enters."""
    guest.shell("true")
    guest.shell("true")
    [pid] = _filters()
    status = Path(f"/proc/{pid}/status").read_text()
    facts = {line.partition(":")[0]: line.split()[1:] for line in status.splitlines()}
    uid, gid = guest.desktop.user.account.pw_uid, guest.desktop.user.account.pw_gid
    assert facts["Uid"] == [str(uid)] * 4
    assert facts["Gid"] == [str(gid)] * 4
    assert int(facts["CapEff"][0], 16) == int(facts["CapPrm"][0], 16) == 0
    assert facts["NoNewPrivs"] == ["1"]
    environment = Path(f"/proc/{pid}/environ").read_bytes()
    assert environment.startswith(b"PATH=")
    assert environment.count(b"\0") == 1
    opened = {path.readlink().as_posix() for path in Path(f"/proc/{pid}/fd").iterdir()}
    assert not any("memfd" in each or "pidfd" in each for each in opened)


def test_notifications_of_others(guest: Guest) -> None:
    """What other programs are told is not heard, and nobody is silenced."""
    name = "org.freedesktop.Notifications"
    with _service(guest.desktop, name):
        for member in ("Inhibit", "NotificationReplied", "Any"):
            words = f"{_CALL} --dest={name} {_ALLOWED[name][0]} {name}.{member}"
            assert "denied" in guest.enter("sh", "-c", words).error.lower(), member


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_it_ends_with_the_container(guest: Guest, end: str) -> None:
    """Nothing of it is left, neither a process nor a file; and there is another one afterwards."""
    guest.shell("true")
    [before] = _filters()
    incus("stop", "--force", guest.name)
    until(lambda: not _filters())
    until(lambda: not list(Path(guest.desktop.runtime).glob("kapsule-bus-*")))
    incus("start", guest.name)
    name = "org.freedesktop.Notifications"
    with _service(guest.desktop, name) as answer:
        place, member = _ALLOWED[name]
        call = f"{_CALL} --dest={name} {place} {name}.{member}"
        assert answer in guest.shell(call)
        if end == "kill":  # one that died is replaced
            [filter_] = _filters()
            subprocess.run(["kill", "-9", filter_], check=True)
            until(lambda: not _filters())
            assert answer in guest.shell(call)
    assert before not in _filters()


def test_never_for_sealed(desktop: Desktop, fresh_name: str) -> None:
    """No process, no socket and no variable."""
    sealed = Guest(fresh_name, desktop)
    sealed.create("--trust", "sealed")
    assert "KAPSULE_HOST_BUS_ADDRESS" not in sealed.variables()
    assert _filters() == []


def _filters() -> list[str]:
    return subprocess.run(
        ["pgrep", "-x", _PROGRAM[:15]], capture_output=True, text=True
    ).stdout.split()


@contextmanager
def _service(desktop: Desktop, name: str) -> Iterator[str]:
    """Have a service of that name on the host's session bus; yield what it answers."""
    unit, answer = "kapsule-test-allowed.service", "from the host's session"
    address = f"--setenv=DBUS_SESSION_BUS_ADDRESS=unix:path={desktop.bus.path}"
    command = (sys.executable, host_only_service.__file__, name, answer)
    options = ("--user", "--quiet", "--collect", f"--unit={unit}", address)
    desktop.bus.run("systemd-run", *options, "--", *command)
    until(lambda: name in desktop.bus.run("busctl", "--user", "--acquired", "list"))
    try:
        yield answer
    finally:
        desktop.bus.run("systemctl", "--user", "stop", unit)
