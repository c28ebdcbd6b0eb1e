# SPDX-License-Identifier: GPL-3.0-or-later
"""What containers follow of the host, while it changes, with the daemon as it is installed."""

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.support.users import User, incus

_PATIENCE = 5.0  # seconds: what the host's settings may take to arrive
_LOCALE = Path("/etc/default/locale")
_RESOLV = Path("/etc/resolv.conf")


def _root(name: str) -> Path:
    """Return the path of a container's root directory, as the host sees it."""
    state = json.loads(incus("query", f"/1.0/instances/{name}/state"))
    return Path(f"/proc/{state['pid']}/root")


def _read(name: str, path: str) -> str:
    try:
        return (_root(name) / path.lstrip("/")).read_text()
    except OSError:
        return ""


def _zone(name: str) -> str:
    try:
        return os.readlink(_root(name) / "etc/localtime")
    except OSError:
        return ""


def _until(is_so: Callable[[], object], seconds: float = _PATIENCE) -> None:
    """Wait until something is so; fail when it does not come in time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.05)


def _host(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@contextlib.contextmanager
def _kept(path: Path) -> Iterator[None]:
    """Put a file of the host back after the block, whatever becomes of it."""
    copy = path.with_name(path.name + ".kept")
    exists = os.path.lexists(path)
    if exists:
        shutil.copy2(path, copy, follow_symlinks=False)
    try:
        yield
    finally:
        if exists:
            copy.rename(path)
        else:
            path.unlink(missing_ok=True)


@pytest.fixture
def zone() -> Iterator[Callable[[str], None]]:
    """Sets the host's time zone; UTC at the end."""

    def set_zone(name: str) -> None:
        _host("timedatectl", "set-timezone", name)

    set_zone("UTC")
    yield set_zone
    set_zone("UTC")


@pytest.fixture
def locale() -> Iterator[Path]:
    """The file with the host's locale."""
    with _kept(_LOCALE), _kept(Path("/etc/locale.conf")):
        yield _LOCALE


@pytest.fixture
def resolv_conf() -> Iterator[Path]:
    """The host's resolv.conf, a file that names 192.0.2.1."""
    with _kept(_RESOLV):
        _RESOLV.unlink(missing_ok=True)
        _RESOLV.write_text("nameserver 192.0.2.1\n")
        yield _RESOLV


def _create(alice: User, name: str, image: str = "debian", *flags: str) -> str:
    result = alice.kapsule("create", name, "--image", f"local:{image}", *flags)
    assert result.code == 0, result.error
    return result.error


@pytest.mark.main
def test_time_zone_follows(container: str, zone: Callable[[str], None]) -> None:
    """What timedatectl sets on the host is set in a running container."""
    for name in ("Europe/Berlin", "Asia/Kathmandu"):
        zone(name)
        _until(lambda: incus("exec", container, "--", "date", "+%z") == _offset())


def _offset() -> str:
    return subprocess.run(["date", "+%z"], capture_output=True, text=True).stdout


def test_a_new_container_follows(
    alice: User, fresh_name: str, zone: Callable[[str], None], resolv_conf: Path
) -> None:
    """Creation applies it all, without a word."""
    zone("Europe/Berlin")
    resolv_conf.write_text("search example.org\nnameserver 192.0.2.7\n")
    said = _create(alice, fresh_name)
    assert "does not follow" not in said
    assert incus("exec", fresh_name, "--", "date", "+%z") == _offset()
    assert _read(fresh_name, "/etc/resolv.conf") == resolv_conf.read_text()


@pytest.mark.main
def test_name_servers_follow(container: str, resolv_conf: Path) -> None:
    """A file that is written, replaced, or a link that leads elsewhere: it arrives within 5 s."""
    _until(lambda: "192.0.2.1\n" in _read(container, "/etc/resolv.conf"))
    resolv_conf.write_text("nameserver 192.0.2.2\n")
    _until(lambda: "192.0.2.2\n" in _read(container, "/etc/resolv.conf"))
    other = resolv_conf.with_name("resolv.new")
    other.write_text("nameserver 192.0.2.3\n")
    other.rename(resolv_conf)
    _until(lambda: "192.0.2.3\n" in _read(container, "/etc/resolv.conf"))
    vpn = Path("/run/vpn")
    vpn.mkdir(exist_ok=True)
    (vpn / "resolv.conf").write_text("nameserver 192.0.2.4\n")
    resolv_conf.unlink()
    resolv_conf.symlink_to("../run/vpn/resolv.conf")
    _until(lambda: "192.0.2.4\n" in _read(container, "/etc/resolv.conf"))
    (vpn / "resolv.conf").write_text("nameserver 192.0.2.5\n")
    _until(lambda: "192.0.2.5\n" in _read(container, "/etc/resolv.conf"))
    shutil.rmtree(vpn)


def test_a_link_of_the_guest_is_replaced(container: str, resolv_conf: Path) -> None:
    """A link to nowhere, where the guest's own resolver would write, becomes a file."""
    link = "../run/systemd/resolve/stub-resolv.conf"
    incus("exec", container, "--", "ln", "-sfn", link, "/etc/resolv.conf")
    resolv_conf.write_text("nameserver 192.0.2.9\n")
    _until(lambda: _read(container, "/etc/resolv.conf") == resolv_conf.read_text())
    assert not (_root(container) / "etc/resolv.conf").is_symlink()


def test_nothing_new_is_not_written(
    container: str, zone: Callable[[str], None], resolv_conf: Path
) -> None:
    """A file that is already right keeps its inode, however often the host's is touched."""
    _until(lambda: "192.0.2.1\n" in _read(container, "/etc/resolv.conf"))
    inode = (_root(container) / "etc/resolv.conf").stat().st_ino
    resolv_conf.write_text(resolv_conf.read_text())
    incus("pause", container)
    incus("start", container)
    zone("Asia/Kathmandu")
    _until(lambda: incus("exec", container, "--", "date", "+%z") == _offset())
    assert (_root(container) / "etc/resolv.conf").stat().st_ino == inode
    zone_inode = (_root(container) / "etc/localtime").lstat().st_ino
    resolv_conf.write_text("nameserver 192.0.2.61\n")
    _until(lambda: "192.0.2.61\n" in _read(container, "/etc/resolv.conf"))
    assert (_root(container) / "etc/localtime").lstat().st_ino == zone_inode


def test_locale_follows(container: str, locale: Path) -> None:
    """What localectl sets on the host is in the guest's own file."""
    _host("localectl", "set-locale", "LANG=C.UTF-8", "LC_TIME=POSIX")
    _until(lambda: _locale_of(container) == {"LANG=C.UTF-8", "LC_TIME=POSIX"})


def _locale_of(name: str) -> set[str]:
    text = _read(name, "/etc/default/locale") or _read(name, "/etc/locale.conf")
    return {line for line in text.splitlines() if line and not line.startswith("#")}


def test_a_missing_locale_is_made(alice: User, fresh_name: str, locale: Path) -> None:
    """A locale that the guest lacks is C.UTF-8 at first; nobody waits while the guest makes it."""
    locale.unlink(missing_ok=True)
    locale.write_text("LANG=de_DE.UTF-8\n")
    _create(alice, fresh_name)
    assert _locale_of(fresh_name) in ({"LANG=C.UTF-8"}, {"LANG=de_DE.UTF-8"})
    said = _say_lang(alice, fresh_name, "de_DE.UTF-8")
    assert said in ("C.UTF-8", "de_DE.UTF-8")
    _until(lambda: _locale_of(fresh_name) == {"LANG=de_DE.UTF-8"}, seconds=120)
    assert _say_lang(alice, fresh_name, "de_DE.UTF-8") == "de_DE.UTF-8"


def test_a_missing_locale_is_made_anew(alice: User, fresh_name: str, locale: Path) -> None:
    """A container that has the name of one that is gone gets what that one was given, too."""
    locale.unlink(missing_ok=True)
    locale.write_text("LANG=de_DE.UTF-8\n")
    for _ in range(2):
        _create(alice, fresh_name)
        _until(lambda: _locale_of(fresh_name) == {"LANG=de_DE.UTF-8"}, seconds=120)
        assert alice.kapsule("rm", "--force", fresh_name).code == 0


def _say_lang(user: User, name: str, lang: str) -> str:
    command = ("enter", name, "--", "bash", "-c", "echo $LC_ALL")
    result = user.kapsule(*command, env={"LC_ALL": lang})
    assert result.error == ""
    return result.text


@pytest.mark.main
def test_a_locale_that_nobody_has_makes_no_noise(alice: User, container: str) -> None:
    """Programs are not told of a locale of the caller's that they would complain of."""
    assert _say_lang(alice, container, "tlh_QO.UTF-8") == "C.UTF-8"


def test_forged_signals_are_ignored(
    bob: User, container: str, resolv_conf: Path, tmp_path: Path
) -> None:
    """Only the service's own signal is heard. A mount hides the change from the file watch."""
    _until(lambda: "192.0.2.1\n" in _read(container, "/etc/resolv.conf"))
    other = tmp_path / "resolv.conf"
    other.write_text("nameserver 192.0.2.66\n")
    _host("mount", "--bind", str(other), str(resolv_conf))
    try:
        for service in ("timedate1", "locale1", "resolve1"):
            _forge(bob, service)
        time.sleep(2)  # nothing is to come, so there is nothing to wait for
        assert "192.0.2.1\n" in _read(container, "/etc/resolv.conf")
        _host("timedatectl", "set-timezone", "Europe/Rome")
        _until(lambda: "192.0.2.66\n" in _read(container, "/etc/resolv.conf"))
    finally:
        _host("umount", str(resolv_conf))
        _host("timedatectl", "set-timezone", "UTC")


def _forge(user: User, service: str) -> None:
    """Send the signal to everybody, and to each connection of the daemon's."""
    pid = subprocess.run(
        ["systemctl", "show", "--value", "-p", "MainPID", "kapsule-daemon"],
        capture_output=True,
        text=True,
    ).stdout.strip()
    listed = subprocess.run(
        ["busctl", "list", "--no-legend", "--no-pager"], capture_output=True, text=True
    ).stdout
    lines = [line.split() for line in listed.splitlines()]
    targets = [words[0] for words in lines if words[0].startswith(":") and words[1] == pid]
    assert len(targets) == 2
    for target in ([], *([f"--dest={name}"] for name in targets)):
        sent = user.run(
            "dbus-send",
            "--system",
            *target,
            "--type=signal",
            f"/org/freedesktop/{service}",
            "org.freedesktop.DBus.Properties.PropertiesChanged",
            f"string:org.freedesktop.{service}",
            "dict:string:string:Timezone,Nowhere/Evil",
            "array:string:Timezone",
        )
        assert sent.code == 0, sent.error


def test_guests_own_scripts(
    alice: User, fresh_name: str, zone: Callable[[str], None], resolv_conf: Path
) -> None:
    """A script of the guest's gets the data on standard input, and its setting is left to it."""
    _create(alice, fresh_name)
    before = _zone(fresh_name)
    script = "#!/bin/sh\ncat > /root/$(basename $0); id -u >> /root/who; env >> /root/environment\n"
    for name in ("timezone", "locale", "dns"):
        path = f"/.kapsule/sync/{name}"
        text = f"mkdir -p /.kapsule/sync; cat > {path}; chmod 755 {path}"
        command = ["incus", "exec", fresh_name, "--", "sh", "-c", text]
        subprocess.run(command, input=script.encode(), check=True)
    zone("Europe/Lisbon")
    resolv_conf.write_text("nameserver 192.0.2.11\n")
    _until(lambda: _read(fresh_name, "/root/timezone") == "Europe/Lisbon")
    _until(lambda: _read(fresh_name, "/root/dns") == resolv_conf.read_text())
    assert _zone(fresh_name) == before
    assert set(_read(fresh_name, "/root/who").split()) == {"0"}
    assert "kapsule-daemon" not in _read(fresh_name, "/root/environment")


def test_a_script_that_hangs_keeps_nobody(
    alice: User, container: str, fresh_name: str, zone: Callable[[str], None], resolv_conf: Path
) -> None:
    """Other containers follow meanwhile, and what it started is ended."""
    _create(alice, fresh_name)
    text = "mkdir -p /.kapsule/sync; cd /.kapsule/sync; cat > dns; chmod 755 dns"
    command = ["incus", "exec", fresh_name, "--", "sh", "-c", text]
    subprocess.run(command, input=b"#!/bin/sh\nsleep 4711 & sleep 4712\n", check=True)
    resolv_conf.write_text("nameserver 192.0.2.12\n")
    _until(lambda: "4712" in _processes(fresh_name))
    _until(lambda: "192.0.2.12\n" in _read(container, "/etc/resolv.conf"))
    _until(lambda: "471" not in _processes(fresh_name), seconds=30)


def _processes(name: str) -> str:
    return incus("exec", name, "--", "ps", "-eo", "args")


@pytest.mark.parametrize("image", ["busybox", "noshell", "hung"])
def test_small_guests(
    alice: User, fresh_name: str, image: str, zone: Callable[[str], None], resolv_conf: Path
) -> None:
    """A guest without zones gets the zone's rules; none of it needs a program of the guest."""
    zone("Europe/Berlin")
    _create(alice, fresh_name, image)
    localtime = _root(fresh_name) / "etc/localtime"
    assert localtime.read_bytes() == Path("/etc/localtime").read_bytes()
    assert _read(fresh_name, "/etc/resolv.conf") == resolv_conf.read_text()
    zone("Asia/Tokyo")
    _until(lambda: localtime.read_bytes() == Path("/etc/localtime").read_bytes())


@pytest.mark.main
@pytest.mark.parametrize("starter", ["kapsule", "incus"])
def test_a_change_while_it_was_stopped(
    alice: User,
    container: str,
    fresh_name: str,
    starter: str,
    zone: Callable[[str], None],
    resolv_conf: Path,
) -> None:
    """A container that anybody starts follows what changed meanwhile."""
    _create(alice, fresh_name)
    incus("stop", "--force", fresh_name)
    zone("America/Bogota")
    resolv_conf.write_text("nameserver 192.0.2.21\n")
    _until(lambda: "192.0.2.21\n" in _read(container, "/etc/resolv.conf"))  # it has passed
    alice.run(starter, "start", fresh_name)
    _until(lambda: "192.0.2.21\n" in _read(fresh_name, "/etc/resolv.conf"))
    assert incus("exec", fresh_name, "--", "date", "+%z") == _offset()


def test_a_guest_that_reboots(alice: User, fresh_name: str, resolv_conf: Path) -> None:
    """What its boot has overwritten is put right again."""
    _create(alice, fresh_name)
    incus("exec", fresh_name, "--", "sh", "-c", "echo wrong > /etc/resolv.conf")
    incus("exec", fresh_name, "--", "reboot", "-f", check=False)
    _until(lambda: _read(fresh_name, "/etc/resolv.conf") == resolv_conf.read_text(), seconds=30)


def test_the_daemon_was_away(container: str, resolv_conf: Path) -> None:
    """What changed while no daemon ran is applied when it comes."""
    _host("systemctl", "stop", "kapsule-daemon.service")
    resolv_conf.write_text("nameserver 192.0.2.31\n")
    _host("systemctl", "start", "kapsule-daemon.service")
    _until(lambda: "192.0.2.31\n" in _read(container, "/etc/resolv.conf"))


def test_what_cannot_be_written_keeps_nothing_else(
    container: str, zone: Callable[[str], None], resolv_conf: Path
) -> None:
    """A resolv.conf that the guest made a mount stays, and the time zone follows all the same."""
    mount = "echo own > /run/own; mount --bind /run/own /etc/resolv.conf"
    incus("exec", container, "--", "sh", "-c", mount)
    resolv_conf.write_text("nameserver 192.0.2.41\n")
    zone("Asia/Tokyo")
    _until(lambda: incus("exec", container, "--", "date", "+%z") == _offset())
    assert _read(container, "/etc/resolv.conf") == "own\n"
    incus("exec", container, "--", "umount", "/etc/resolv.conf")


def test_in_a_network_of_its_own(alice: User, fresh_name: str, resolv_conf: Path) -> None:
    """A guest on a bridge that has no name server gets the host's, without the host's loopback."""
    _create(alice, fresh_name, "busybox")
    incus("stop", "--force", fresh_name)
    lines = incus("config", "get", fresh_name, "raw.lxc").splitlines()
    own = [line for line in lines if not line.startswith(("lxc.net", "lxc.namespace"))]
    incus("config", "set", fresh_name, "raw.lxc=" + "\n".join(own))
    incus("network", "attach", "incusbr0", fresh_name, "eth0")
    resolv_conf.write_text("nameserver 127.0.0.1\nnameserver 192.0.2.51\n")
    incus("start", fresh_name)
    incus("exec", fresh_name, "--", "rm", "/etc/resolv.conf")
    resolv_conf.write_text("nameserver 127.0.0.1\nnameserver 192.0.2.52\n")
    _until(lambda: "192.0.2.52\n" in _read(fresh_name, "/etc/resolv.conf"))
    assert "127.0.0.1" not in _read(fresh_name, "/etc/resolv.conf")


@pytest.fixture
def _desktop() -> Iterator[None]:
    """A host with a font, and themes that no guest has."""
    made = [
        Path("/usr/share/fonts/kapsule"),
        Path("/usr/share/icons/Host"),
        Path("/usr/share/themes/H"),
    ]
    for path in made:
        path.mkdir(parents=True)
        (path / "file").write_text("the host's\n")
    yield
    for path in made:
        shutil.rmtree(path)


@pytest.mark.usefixtures("_desktop")
def test_fonts_and_themes(alice: User, fresh_name: str) -> None:
    """They are readable where programs look; not without the host's files."""
    _create(alice, fresh_name)
    for path in ("fonts/host/kapsule/file", "icons/Host/file", "themes/H/file"):
        text = incus("exec", fresh_name, "--", "cat", f"/usr/local/share/{path}")
        assert text == "the host's\n"


@pytest.mark.usefixtures("_desktop")
def test_no_fonts_without_the_host(alice: User, fresh_name: str) -> None:
    """With --no-host-rootfs nothing leads to them."""
    _create(alice, fresh_name, "debian", "--no-host-rootfs")
    assert not os.path.lexists(_root(fresh_name) / "usr/local/share/fonts/host")
