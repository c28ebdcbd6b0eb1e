# SPDX-License-Identifier: GPL-3.0-or-later
"""What takes an administrator's authentication, where there is an agent that asks for it."""

import contextlib
import subprocess
from collections.abc import Iterator

import pytest

from tests.system.support.box import instances, refused
from tests.system.support.polkit_agent import Agent
from tests.system.support.users import Result, User

ACTION = "org.kde.kapsule.create-privileged"


@contextlib.contextmanager
def _creating(user: User, name: str) -> Iterator[tuple[Agent, "subprocess.Popen[bytes]"]]:
    """Have the user create a container, with an agent that is there before the first call."""
    pipes = {each: subprocess.PIPE for each in ("stdin", "stdout", "stderr")}
    words = ("kapsule", "create", name, "--image", "local:busybox")
    with (
        user.popen("sh", "-c", 'read _ && exec "$@"', "sh", *words, **pipes) as process,
        Agent(user, process.pid) as agent,
    ):
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
        yield agent, process


def _end(process: "subprocess.Popen[bytes]") -> Result:
    out, err = process.communicate(timeout=60)
    return Result(process.returncode, out, err)


@pytest.mark.main
def test_granted(bob: User, fresh_name: str) -> None:
    """Whoever authenticates has it, knowing what for; only this once, and only this."""
    with _creating(bob, fresh_name) as (agent, process):
        question = agent.asked()
        assert question.action == ACTION
        assert f"create the container {fresh_name}" in question.message
        assert fresh_name not in instances()
        agent.grant(question)
        result = _end(process)
    assert result.code == 0, result.error
    assert bob.kapsule("enter", fresh_name, "--", "id", "-un").text == "bob"
    refused(bob.kapsule("create", f"{fresh_name}x", "--image", "local:busybox"), ACTION)


@pytest.mark.parametrize(("end", "words"), [("fail", ACTION), ("dismiss", "was dismissed")])
def test_refused(bob: User, traceless: str, end: str, words: str) -> None:
    """Wrong passwords and a closed window are a refusal that says so; nothing is made."""
    with _creating(bob, traceless) as (agent, process):
        getattr(agent, end)(agent.asked())
        refused(_end(process), "User 'bob' may not create a container", words)


def test_the_caller_leaves(bob: User, traceless: str) -> None:
    """Nobody is asked any longer for one who is gone, and nothing is made."""
    with _creating(bob, traceless) as (agent, process):
        question = agent.asked()
        process.kill()
        agent.wait_for_withdrawal(question)
    assert traceless not in instances()
