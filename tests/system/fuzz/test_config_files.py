# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's configuration file that is anything but one: GetConfig, create and enter answer."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kapsule.client.bus import Bus
from tests.system.fuzz.watch import Watch
from tests.system.support.box import configured
from tests.system.support.bus import connect
from tests.system.support.users import User

_SECRET = "[kapsule]\ndefault_container = secret\ndefault_image = local:secret\n"
_KINDS = (
    *("fifo", "zero", "of-root", "of-alice", "huge", "sparse", "folder", "unreadable", "binary"),
    *("loop", "socket", "terminal", "process", "random", "dangling", "slow", "slow-lines"),
)
_SECONDS = 20  # what a command may take; the daemon reads for 5


@pytest.fixture(params=_KINDS)
def odd_file(request: pytest.FixtureRequest, bob: User) -> Iterator[str]:
    """Something where bob's configuration file should be. The value is its kind."""
    secrets = {"of-root": "/root/kapsule-secret", "of-alice": "/home/alice/kapsule-secret"}
    for path in secrets.values():
        Path(path).write_text(_SECRET)
        os.chmod(path, 0o600)
    links = secrets | {"zero": "/dev/zero", "random": "/dev/random", "terminal": "/dev/tty"}
    links |= {"process": "/proc/self/environ", "dangling": "/nowhere"}
    with configured(bob, "") as file:
        file.unlink()
        kind = request.param
        if kind in links:
            file.symlink_to(links[kind])
        else:
            subprocess.run(["sh", "-c", _MAKE[kind].format(file)], check=True)
        yield kind
    for path in secrets.values():
        os.unlink(path)


_MAKE = {
    "fifo": "mkfifo {0} && chmod 666 {0}",
    "huge": "yes '[kapsule]' | head -c 20000000 > {0}",
    "sparse": "truncate -s 1T {0}",
    "folder": "mkdir {0}",
    "unreadable": "printf '[kapsule]\\ndefault_container = x\\n' > {0} && chmod 0 {0}",
    "binary": "head -c 60000 /dev/urandom > {0}",
    "loop": "ln -s {0} {0}",
    # What a parser that goes back and forth takes long for: a name, blanks, and no equals sign.
    "slow": "printf '[kapsule]\\na%65000sb\\n' '' > {0}",
    "slow-lines": "(echo '[kapsule]'; for i in $(seq 8); do printf 'a%500sb\\n' ''; done) > {0}",
    "socket": "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"{0}\")'",
}


@pytest.fixture
def bus(bob: User) -> Iterator[Bus]:
    """A connection of bob's."""
    with connect(bob) as bus:
        yield bus


def test_it_is_passed_over(alice: User, bob: User, container: str, odd_file: str, bus: Bus) -> None:
    """Settings are the usual ones, nobody's secret is told, and others notice nothing."""
    with Watch(alice, container) as watch:
        ((config),) = bus.call("GetConfig", "", ())
        assert config["default_container"] == "kapsule"
        assert config["default_image"].startswith("images:")
        for words in (["create", "x-of-bob"], ["enter"], ["config"]):
            result = bob.kapsule(*words, timeout=_SECONDS)
            assert "secret" not in result.error
            assert "Traceback" not in result.error
    watch.check()
