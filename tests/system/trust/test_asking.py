# SPDX-License-Identifier: GPL-3.0-or-later
"""`kapsule trust` on a terminal: the restart that a change takes is said, and asked for."""

import json

from tests.system.support.screen import Screen
from tests.system.support.users import User, incus

END_OF_INPUT = "\x04"  # Ctrl-D at the start of a line: termios(3), VEOF
INTERRUPT = "\x03"


def _answer(user: User, name: str, keys: str) -> tuple[int, str]:
    """Return how the change to `home` ends, and what it says after it was answered by the keys."""
    words = ("kapsule", "trust", name, "home")
    with Screen(user, *words, env={"NO_COLOR": "1"}) as screen:
        screen.expect(f"Container {name} has to be restarted for this. What runs in it ends.")
        screen.expect("Restart it now? [y/N] ")
        screen.type(keys)
        return screen.wait(), screen.output.decode()


def _run(name: str) -> tuple[str, int]:
    """Return a container's level, and its init's process, which every run has of its own."""
    level = incus("config", "get", name, "user.kapsule.trust").strip()
    return level, json.loads(incus("query", f"/1.0/instances/{name}/state"))["pid"]


def test_the_answer_counts(alice: User, small: str) -> None:
    """Whatever is not yes leaves the container running as it is; yes restarts it at its level."""
    before = _run(small)
    assert before[0] == "full"
    for keys, code in (("n\r", 1), ("\r", 1), (END_OF_INPUT, 1), (INTERRUPT, 130)):
        ended, said = _answer(alice, small, keys)
        assert ended == code
        assert code != 1 or said.endswith("\r\nError: Nothing was changed\r\n"), said
        assert _run(small) == before
    code, said = _answer(alice, small, "y\r")
    assert code == 0, said
    assert f"Container {small} is trusted: home" in said
    level, pid = _run(small)
    assert level == "home"
    assert pid not in (0, before[1])
