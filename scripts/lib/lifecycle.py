# SPDX-License-Identifier: GPL-3.0-or-later
"""The order in which things are started for `make run` and ended by `make stop`."""

import fcntl
import os
import shutil
from collections.abc import Callable

import backends
import host
import records
from backends import Failure, Service, say

_LOCK = "/run/lock/kapsule-services"
_RUN = os.path.dirname(records.FOLDER)


def up(root: str) -> int:
    """Start what does not run. Returns the exit status."""
    return _alone(lambda: _start_all(root))


def down(root: str) -> int:
    """End what was started. Returns the exit status."""
    return _alone(lambda: _stop_all(root))


def _alone(action: Callable[[], None]) -> int:
    """Do something as the only one on this machine, and turn a failure into an exit status."""
    if os.geteuid() != 0:
        say("This needs root.")
        return 1
    with open(_LOCK, "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            action()
        except Failure as failure:
            say(str(failure))
            return 1
    return 0


def _services(root: str) -> tuple[Service, Service, Service, Service]:
    """Return the services in the order of their start."""
    programs = os.path.join(root, ".venv", "bin")
    return (
        Service(
            "bus",
            "the system bus",
            "dbus.service",
            ("dbus-daemon", "--system", "--nofork", "--nopidfile"),
            host.bus_is_up,
        ),
        Service(
            "incus",
            "Incus",
            "incus.service",
            ("incusd", "--group", "incus-admin"),
            host.incus_is_up,
            host.INCUS_PATH,
        ),
        Service(
            "session",
            "Kapsule's session service",
            "kapsule-session.service",
            (os.path.join(programs, "kapsule-session"),),
            host.session_is_up,
        ),
        Service(
            "daemon",
            "Kapsule's daemon",
            "kapsule-daemon.service",
            (os.path.join(programs, "kapsule-daemon"),),
            host.daemon_is_up,
        ),
    )


def _start_all(root: str) -> None:
    bus, incus, session, daemon = _services(root)
    host.prepare_bus()
    _ensure(bus)
    host.install_policy(root)
    if not incus.is_up():
        host.note_mounts()
    _ensure(incus)
    host.wait_for_incus()
    if not records.read("containers"):
        records.write("containers", " ".join(["before:", *host.running_containers()]))
    for service in (session, daemon):
        if records.is_ours(service.name) and records.is_outdated(service.name, root):
            backends.stop(service)
    if backends.has_systemd() and not (session.is_up() and daemon.is_up()):
        host.install_units(root)
    _ensure(session)
    _ensure(daemon)
    host.admit_user()


def _ensure(service: Service) -> None:
    if not service.is_up():
        backends.start(service)
    elif not records.runs(service.name):
        records.write(service.name, "elsewhere")


def _stop_all(root: str) -> None:
    bus, incus, session, daemon = _services(root)
    was_ours = records.is_ours("session")
    backends.stop(daemon)
    if was_ours:
        sessions = backends.family(session.argv[0])
        backends.stop(session)
        backends.end(sessions)
        host.remove_network_namespace()
    _stop_incus(incus)
    host.dismiss_user()
    host.remove_policy()
    backends.stop(bus)
    host.clear_bus_away()
    host.remove_units(with_socket=was_ours)
    for folder in [_RUN] if was_ours else [records.FOLDER, backends.LOGS]:
        shutil.rmtree(folder, ignore_errors=True)
    os.unlink(_LOCK)


def _stop_incus(incus: Service) -> None:
    """End Incus with its containers, or where it ran before, only the containers started since."""
    if not records.is_ours("incus"):
        if records.read("incus"):
            host.stop_containers(except_for=records.read("containers")[1:])
        return
    backends.stop(incus, first=host.shut_incus_down)
    host.clear_incus_away()
