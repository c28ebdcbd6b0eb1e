# SPDX-License-Identifier: GPL-3.0-or-later
"""The command as a whole: verbs, help, errors and exit statuses."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kapsule import __version__
from kapsule.cli.__main__ import main
from kapsule.cli.parser import VERBS
from kapsule.errors import NotFound
from kapsule.testing.fake_daemon import FakeDaemon, Script

PROGRAM = [sys.executable, "-m", "kapsule.cli"]


def _leave(*words: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(words))
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_without_a_verb_it_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """On stdout, with status 0, and without a daemon."""
    assert _leave() == 0
    out, err = capsys.readouterr()
    assert "commands:" in out
    assert err == ""


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_is_a_result(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It goes to stdout, and needs no daemon."""
    assert _leave(flag) == 0
    assert capsys.readouterr().out.endswith(f" version {__version__}\n")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.usefixtures("no_daemon")
def test_every_verb_has_help_without_a_daemon(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stdout, with status 0."""
    assert _leave(verb, "--help") == 0
    out, err = capsys.readouterr()
    assert out.startswith("usage: ")
    assert err == ""


@pytest.mark.parametrize("words", [["bogus"], ["--bogus"], ["create"], ["rm"], ["list", "x"], [""]])
def test_usage_errors_have_status_two(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With an error and a hint on stderr, before any call."""
    assert _leave(*words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: ")
    assert "Hint: See `" in err


def test_an_unknown_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """So that a typo can be seen."""
    _leave("craete")
    assert "There is no command 'craete'" in capsys.readouterr().err


@pytest.mark.usefixtures("no_daemon")
def test_without_a_daemon_the_error_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """Status 1, an error and a hint on stderr, nothing on stdout."""
    assert main(["list"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: Cannot connect to kapsule-daemon")
    assert "\nHint: Start it with `systemctl start kapsule-daemon`" in err


def test_an_error_of_the_daemon_is_shown_with_its_hint(
    daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    """Message and hint are on lines of their own."""
    daemon.fail("Describe", NotFound.dbus_name, "Container 'x' does not exist\nHint: Look again")
    assert main(["info", "x"]) == 1
    assert capsys.readouterr().err == "Error: Container 'x' does not exist\nHint: Look again\n"


@pytest.mark.parametrize("called", ["kap", "kapsule"])
def test_it_calls_itself_as_it_was_called(called: str, tmp_path: Path) -> None:
    """Both names are shown as typed, no other one is."""
    script = f"import sys; sys.argv[0] = '/usr/bin/{called}'\n"
    script += "from kapsule.cli.__main__ import main\nmain(['--version'])"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert shown.stdout == f"{called} version {__version__}\n"


def test_a_reader_that_leaves_is_no_traceback(daemon: FakeDaemon) -> None:
    """`kapsule list | head -0` ends quietly."""
    daemon.reply("ListContainers", "a(sssss)", [["n", "s", "i", "c", "m"]] * 10_000)
    source, sink = os.pipe()
    os.close(source)
    ended = subprocess.run([*PROGRAM, "list"], stdout=sink, stderr=subprocess.PIPE, text=True)
    os.close(sink)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_a_closed_stdout_is_no_traceback(daemon: FakeDaemon) -> None:
    """A service without a standard output may call us."""
    daemon.reply("ListContainers", "a(sssss)", [["n", "s", "i", "c", "m"]])
    command = f"exec {' '.join(PROGRAM)} list >&-"
    ended = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_ctrl_c_is_no_traceback(daemon: FakeDaemon) -> None:
    """A call that hangs can be left."""
    daemon.answer("ListContainers", lambda call: True)
    with subprocess.Popen([*PROGRAM, "list"], stderr=subprocess.PIPE, text=True) as running:
        daemon.wait_for("ListContainers")
        running.send_signal(signal.SIGINT)
        _, err = running.communicate()
    assert (running.returncode, err) == (130, "")


def test_ctrl_c_cancels_an_operation_and_waits_for_its_undo(daemon: FakeDaemon) -> None:
    """What was half made is undone before we leave, with status 130."""
    daemon.run("CreateContainer", Script((), "cancelled", "Operation cancelled", waits=True))
    with subprocess.Popen(
        [*PROGRAM, "create", "dev"], stderr=subprocess.PIPE, text=True
    ) as running:
        daemon.wait_for("GetAll")
        running.send_signal(signal.SIGINT)
        _, err = running.communicate()
    assert "Cancel" in [member for member, _ in daemon.calls]
    assert running.returncode == 130
    assert err.splitlines() == [
        "Creating container: dev",
        "Cancelling, and undoing what was begun...",
        "  undone",
        "Operation cancelled",
    ]


def test_a_second_ctrl_c_leaves_the_undo_to_the_daemon(daemon: FakeDaemon) -> None:
    """Nobody is held by a daemon that hangs."""
    daemon.run("CreateContainer", Script((), "cancelled", "Operation cancelled", waits=True))
    daemon.answer("Cancel", lambda call: True)
    with subprocess.Popen(
        [*PROGRAM, "create", "dev"], stderr=subprocess.PIPE, text=True
    ) as running:
        daemon.wait_for("GetAll")
        running.send_signal(signal.SIGINT)
        daemon.wait_for("Cancel")
        running.send_signal(signal.SIGINT)
        running.communicate()
    assert running.returncode == 130
