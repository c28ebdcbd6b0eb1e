# SPDX-License-Identifier: GPL-3.0-or-later
"""The box as a host that one can break and mend."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.system.support.bus import status
from tests.system.support.users import Result, User, incus

DAEMON = "kapsule-daemon.service"
INCUS = ("incus.socket", "incus.service")


def systemctl(*words: str) -> None:
    """Tell the box's service manager to do something."""
    subprocess.run(["systemctl", "--quiet", *words], check=True)


def main_pid(unit: str) -> int:
    """Return the process id of a service, 0 when it does not run."""
    show = ["systemctl", "show", "--value", "--property=MainPID", unit]
    return int(subprocess.run(show, capture_output=True, check=True).stdout)


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Have a process hang within the block."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def mortal_daemon() -> Callable[[], None]:
    """Return what has the daemon die that moment, to start again as if it were the first time."""
    systemctl("reset-failed", DAEMON)
    systemctl("start", DAEMON)
    pid = main_pid(DAEMON)
    assert pid
    return lambda: os.kill(pid, signal.SIGKILL)


def kill_incus() -> None:
    """Have Incus die, and start again when somebody asks for it."""
    systemctl("reset-failed", "incus.service")
    systemctl("kill", "--signal=KILL", "incus.service")


@contextlib.contextmanager
def without_incus() -> Iterator[None]:
    """Have Incus down within the block, so that nobody who asks for it starts it.

    Containers go on, as at an update. Debian's unit for the start of the machine would stop them.
    """
    settings = Path("/run/systemd/system/incus-startup.service.d/go-on.conf")
    settings.parent.mkdir(exist_ok=True)
    settings.write_text("[Service]\nExecStop=\n")
    systemctl("daemon-reload")
    systemctl("stop", *INCUS)
    systemctl("mask", "--runtime", *INCUS)
    try:
        yield
    finally:
        systemctl("unmask", "--runtime", *INCUS)
        settings.unlink()
        systemctl("daemon-reload")
        systemctl("start", *INCUS)


@contextlib.contextmanager
def configured(user: User, text: str) -> Iterator[Path]:
    """Have the user's own configuration file say this within the block; its path is yielded."""
    file = Path(user.account.pw_dir, ".config/kapsule/kapsule.conf")
    user.run("mkdir", "-p", str(file.parent))
    file.write_text(text)
    try:
        yield file
    finally:
        subprocess.run(["rm", "-r", str(file.parent.parent)], check=True)


@contextlib.contextmanager
def configured_machine(line: str) -> Iterator[None]:
    """Have the machine's configuration file say this within the block.

    The daemon reads limits at its start, so it is started anew.
    """
    file = Path("/etc/kapsule/kapsule.conf")
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"[kapsule]\n{line}\n")
    restart_daemon()
    try:
        yield
    finally:
        file.unlink()
        file.parent.rmdir()
        restart_daemon()


def restart_daemon() -> None:
    """Restart it, and the helper with it, however often that happened just now."""
    systemctl("reset-failed", DAEMON, "kapsule-session.service")
    systemctl("restart", DAEMON)


def default_container(
    user: User, name: str, image: str = "local:debian"
) -> contextlib.AbstractContextManager[Path]:
    """Have this be the name and the image of the user's default container within the block."""
    return configured(user, f"[kapsule]\ndefault_container = {name}\ndefault_image = {image}\n")


def instances() -> list[str]:
    """Return the names that Incus knows."""
    return incus("list", "--format=csv", "--columns=n").split()


def refused(result: Result, *words: str, code: int = 1) -> str:
    """Check that a command failed with one error, in these words, and one hint; return both."""
    assert result.code == code, result.error
    assert result.out == b""
    assert result.error.count("Error: ") == 1, result.error
    assert result.error.count("Hint: ") == 1, result.error
    assert "Traceback" not in result.error
    for word in words:
        assert word in result.error, result.error
    return result.error


def check_works(user: User, name: str) -> None:
    """Check that a container is whole: one gets in, and it can be stopped, started and removed."""
    assert status(name) == "Running"
    assert user.kapsule("enter", name, "--", "id", "-un").text == user.name
    for words in (["stop", "--force"], ["start"], ["rm", "--force"]):
        result = user.kapsule(*words, name)
        assert result.code == 0, result.error
    assert name not in instances()
