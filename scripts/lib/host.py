# SPDX-License-Identifier: GPL-3.0-or-later
"""What `make run` asks of the host and puts there, and how it is taken back."""

import contextlib
import grp
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
from collections.abc import Iterable

import backends
import records
from backends import Failure, run, say

INCUS_PATH = "/usr/libexec/incus:" + backends.ENVIRONMENT["PATH"]
INCUS_FOLDER = "/var/lib/incus"
_INCUS_SOCKET = INCUS_FOLDER + "/unix.socket"
_BUS_SOCKET = "/run/dbus/system_bus_socket"
_SESSION_SOCKET = "/run/kapsule/session.socket"
_POLICY = "/etc/dbus-1/system.d/org.kde.kapsule.conf"
_UNITS = "/run/systemd/system"
_OWN_UNITS = ("kapsule-session.socket", "kapsule-session.service", "kapsule-daemon.service")
_LISTENS = "00010000"  # __SO_ACCEPTCON in the flags of /proc/net/unix: proc_net(5)
_OWNER_KEY = "user.kapsule.owner"
_CALL = ("dbus-send", "--system", "--print-reply=literal", "--dest=org.freedesktop.DBus", "/")


def _connects(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) == 0


def bus_is_up() -> bool:
    """Whether the system bus takes connections."""
    return _connects(_BUS_SOCKET)


def incus_is_up() -> bool:
    """Whether incusd runs. Under systemd its socket answers even when it does not."""
    return (
        records.is_active("incus.service") if backends.has_systemd() else _connects(_INCUS_SOCKET)
    )


def session_is_up() -> bool:
    """Whether the session service listens. It would take a connection for a request."""
    if backends.has_systemd():
        return records.is_active("kapsule-session.socket")
    with open("/proc/net/unix", encoding="utf-8", errors="replace") as file:
        sockets = [line.split() for line in file]
    return any(words[3] == _LISTENS and words[-1] == _SESSION_SOCKET for words in sockets)


def daemon_is_up() -> bool:
    """Whether somebody owns the daemon's name on the bus."""
    question = (*_CALL, "org.freedesktop.DBus.NameHasOwner", "string:org.kde.kapsule")
    return b"true" in subprocess.run(question, capture_output=True).stdout


def prepare_bus() -> None:
    """Make what dbus-daemon expects to find where no init system has made it."""
    os.makedirs(os.path.dirname(_BUS_SOCKET), exist_ok=True)
    run("dbus-uuidgen", "--ensure")


def install_policy(root: str) -> None:
    """Let root own the daemon's name, and everybody talk to it."""
    with open(os.path.join(root, "data/dbus/org.kde.kapsule.conf"), encoding="utf-8") as file:
        wanted = file.read()
    if not os.path.exists(_POLICY):
        records.write("policy", _POLICY)
    elif not records.read("policy") or _text(_POLICY) == wanted:
        return  # somebody else's, or up to date
    with open(_POLICY, "w", encoding="utf-8") as file:
        file.write(wanted)
    run(*_CALL, "org.freedesktop.DBus.ReloadConfig")


def remove_policy() -> None:
    """Take back what install_policy did."""
    for path in records.read("policy"):
        os.unlink(path)
        if bus_is_up():
            run(*_CALL, "org.freedesktop.DBus.ReloadConfig")
    records.forget("policy")


def wait_for_incus() -> None:
    """Wait until Incus can be asked."""
    run(_find("incusd"), "waitready", "--timeout=60")


def shut_incus_down() -> None:
    """End Incus and all its containers, cleanly."""
    stop_containers()  # or else Incus would start them again at its own next start
    run(_find("incusd"), "shutdown", "--timeout=120")


def clear_incus_away() -> None:
    """Remove what an ended Incus leaves behind in /run, and the mounts that it made."""
    for point in reversed(_mount_points(INCUS_FOLDER)):
        if point not in records.read("mounts"):
            run("umount", "--lazy", point)
    records.forget("mounts")
    shutil.rmtree("/run/incus", ignore_errors=True)
    locks = "/run/lxc/lock" + INCUS_FOLDER
    shutil.rmtree(locks, ignore_errors=True)
    with contextlib.suppress(OSError):
        os.removedirs(os.path.dirname(locks))


def clear_bus_away() -> None:
    """Remove the socket that an ended bus leaves behind."""
    if os.path.exists(_BUS_SOCKET) and not bus_is_up():
        os.unlink(_BUS_SOCKET)


def _find(program: str) -> str:
    for folder in INCUS_PATH.split(":"):
        if os.access(os.path.join(folder, program), os.X_OK):
            return os.path.join(folder, program)
    raise Failure(f"{program} is not installed")


def running_containers() -> list[str]:
    """Return the names of the containers of Kapsule that run."""
    result = subprocess.run(["incus", "list", "--format=json"], capture_output=True, check=True)
    return [
        each["name"]
        for each in json.loads(result.stdout)
        if each["status"] == "Running" and _OWNER_KEY in each["config"]
    ]


def stop_containers(*, except_for: Iterable[str] = ()) -> None:
    """Stop the containers of Kapsule that run, but for some: cleanly, after a while by force."""
    names = sorted({*running_containers()} - {*except_for})
    if not names:
        return
    say(f"Stopping the containers: {', '.join(names)}")
    try:
        run("incus", "stop", "--timeout=30", *names)
    except Failure:
        run("incus", "stop", "--force", *names)


def install_units(root: str) -> None:
    """Give systemd our units, with the programs of this checkout."""
    programs = os.path.join(root, ".venv", "bin")
    for unit in _OWN_UNITS:
        text = _text(os.path.join(root, "data/systemd", unit))
        text = re.sub(
            "=/usr/lib/kapsule/(.*)", lambda found: "=" + _quote(programs, found[1]), text
        )
        with open(os.path.join(_UNITS, unit), "w", encoding="utf-8") as file:
            file.write(text)
    records.write("units", "installed")
    run("systemctl", "daemon-reload")


def _quote(folder: str, program: str) -> str:
    """Return a program as a unit names it: systemd.service(5), "Command lines"."""
    path = os.path.join(folder, program)
    for special, plain in (("\\", "\\\\"), ('"', '\\"'), ("%", "%%"), ("$", "$$")):
        path = path.replace(special, plain)
    return f'"{path}"'


def remove_units(*, with_socket: bool) -> None:
    """Take back what install_units did. with_socket: the session socket is from there, too."""
    if not records.read("units"):
        return
    if with_socket:
        run("systemctl", "stop", "kapsule-session.socket")
    for unit in _OWN_UNITS:
        os.unlink(os.path.join(_UNITS, unit))
    run("systemctl", "daemon-reload")


def admit_user() -> None:
    """Put the person who called sudo into the group that may use Incus, as Incus's socket says.

    Kapsule's daemon lets its members create containers. The person is root already, by sudo.
    """
    user = os.environ.get("SUDO_USER", "root")
    group = grp.getgrgid(os.stat(_INCUS_SOCKET).st_gid)
    if user == "root" or group.gr_gid in os.getgrouplist(user, pwd.getpwnam(user).pw_gid):
        return
    say(f"Adding {user} to the group {group.gr_name} until `make stop`")
    run("gpasswd", "--add", user, group.gr_name)
    records.write("member", f"{user} {group.gr_name}")


def dismiss_user() -> None:
    """Take back what admit_user did."""
    match records.read("member"):
        case [user, group]:
            run("gpasswd", "--delete", user, group)


def note_mounts() -> None:
    """Remember what is mounted below Incus's folder, before Incus starts: that is not its own."""
    records.write("mounts", " ".join(_mount_points(INCUS_FOLDER)))


def remove_network_namespace() -> None:
    """Undo the daemon's mounts in its folder: it shows Incus the host's network there."""
    for point in _mount_points("/run/kapsule"):
        run("umount", "--lazy", point)


def _mount_points(folder: str) -> list[str]:
    """Return what is mounted below a folder, as the kernel writes it: proc_pid_mountinfo(5)."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        points = [line.split()[4] for line in file]
    return [point for point in points if point.startswith(folder + "/")]


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()
