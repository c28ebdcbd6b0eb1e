# SPDX-License-Identifier: GPL-3.0-or-later
"""`kapsule enter` on a real terminal."""

import os
import signal

import pytest

from tests.system.support.screen import Screen
from tests.system.support.users import User, incus
from tests.system.support.waiting import until

pytestmark = pytest.mark.main

PROMPT = "$ "
PUSH = b"\x1b]777;container;push;%s;kapsule\a"
PLAIN = {"TERM": "dumb"}  # without a shell's marks around what is pasted
POP = b"\x1b]777;container;pop;;\a"


def test_a_shell_on_a_terminal_of_the_container(alice: User, container: str) -> None:
    """It is a login shell, on a pty of the guest, with the caller's size."""
    with Screen(alice, "kapsule", "enter", container, rows=41, columns=133) as screen:
        screen.expect(PROMPT)
        screen.type("tty; stty size; echo $0; echo end-of-$((1))\n")
        shown = screen.expect("end-of-1\r\n")
        assert b"/dev/pts/" in shown
        assert b"41 133\r\n" in shown
        assert b"-bash\r\n" in shown
        screen.type("exit 5\n")
        assert screen.wait() == 5


def test_marks_for_the_terminal(alice: User, container: str) -> None:
    """Push comes before the session's first byte, pop after its last."""
    with Screen(alice, "kapsule", "enter", container, "--", "echo", "inside") as screen:
        assert screen.wait() == 0
        assert screen.output == PUSH % container.encode() + b"inside\r\n" + POP


def test_no_marks_into_a_pipe(alice: User, container: str) -> None:
    """Only a terminal gets them."""
    with Screen(alice, "sh", "-c", f"kapsule enter {container} -- echo x | od -c") as screen:
        assert screen.wait() == 0
        assert b"777" not in screen.output


def test_no_marks_when_enter_fails(alice: User) -> None:
    """Who never got in never left."""
    with Screen(alice, "kapsule", "enter", "no-such-container") as screen:
        assert screen.wait() == 125
        assert b"777" not in screen.output
        assert b"does not exist" in screen.output


def test_the_size_follows(alice: User, container: str) -> None:
    """A change of the window's size reaches the guest's programs."""
    with Screen(alice, "kapsule", "enter", container) as screen:
        screen.expect(PROMPT)
        screen.type("trap 'echo now $(stty size)' WINCH\n")
        screen.expect(PROMPT)
        screen.resize(50, 111)
        screen.type("\n")
        screen.expect("now 50 111")


def test_a_new_size_comes_before_what_is_typed_after_it(alice: User, container: str) -> None:
    """Also when both wait for a client that had no time for either."""
    with Screen(alice, "kapsule", "enter", container) as screen:
        screen.expect(PROMPT)
        screen.type("trap 'echo now $(stty size)' WINCH\n")
        screen.expect(PROMPT)
        os.kill(screen.pid, signal.SIGSTOP)
        screen.resize(50, 111)
        screen.type("\n")
        os.kill(screen.pid, signal.SIGCONT)
        screen.expect("now 50 111")


def test_interrupt_quit_and_end_of_file(alice: User, container: str) -> None:
    """Ctrl-C, Ctrl-\\ and Ctrl-D do inside what they do outside."""
    with Screen(alice, "kapsule", "enter", container) as screen:
        screen.expect(PROMPT)
        _start(screen, "sleep 100")
        screen.type("\x03")
        screen.expect(PROMPT)
        screen.type("echo status $?\n")
        screen.expect("status 130")
        screen.expect(PROMPT)
        _start(screen, "sleep 100")
        screen.type("\x1c")
        screen.expect(PROMPT)
        screen.type("echo status $?\n")
        screen.expect("status 131")
        screen.expect(PROMPT)
        _start(screen, "cat")
        screen.type("line\n\x04")
        screen.expect("line\r\nline\r\n")
        screen.expect(PROMPT)
        screen.type("echo status $?\n")
        screen.expect("status 0")
        screen.expect(PROMPT)
        screen.type("\x04")
        assert screen.wait() == 0


def test_job_control(alice: User, container: str) -> None:
    """Ctrl-Z stops the command in the guest, `fg` continues it."""
    with Screen(alice, "kapsule", "enter", container) as screen:
        screen.expect(PROMPT)
        _start(screen, "cat")
        screen.type("\x1a")
        screen.expect("Stopped")
        screen.expect(PROMPT)
        screen.type("fg\n")
        screen.expect("exec cat'\r\n")
        screen.type("again\n\x04")
        screen.expect("again\r\nagain\r\n")


def _start(screen: Screen, program: str) -> None:
    """Have the shell run a program, and wait until it has the terminal: keys are for it then."""
    screen.type(f"sh -c 'echo u\"\"p; exec {program}'\n")
    screen.expect("up\r\n")


def test_the_terminal_is_restored(alice: User, container: str) -> None:
    """The modes are what they were, also when the session's processes were killed."""
    with Screen(alice, "bash", "--norc", env=PLAIN) as screen:
        screen.expect(PROMPT)
        screen.type("stty -a > before\n")
        screen.expect(PROMPT)
        for command in ("true", "sh -c 'kill -9 $$'", "sh -c 'stty raw -echo; kill -9 0'"):
            screen.type(f"kapsule enter {container} -- {command}; echo b''ack\n")
            screen.expect("back\r\n")
            screen.expect(PROMPT)
            screen.type("stty -a | cmp - before && echo same\n")
            screen.expect("\nsame\r\n")


def test_pop_when_the_container_dies(alice: User, fresh_name: str) -> None:
    """A container that is stopped under a session ends it, with the mark, and in cooked mode."""
    assert alice.kapsule("create", fresh_name, "--image", "local:debian").code == 0
    with Screen(alice, "kapsule", "enter", fresh_name) as screen:
        modes = screen.modes()
        screen.expect(PROMPT)
        incus("stop", "--force", fresh_name)
        screen.expect(POP)
        assert screen.wait() > 0
        assert screen.modes() == modes


def test_suspending_the_client(alice: User, container: str) -> None:
    """A client that is stopped by a signal gives the terminal back, and takes it again."""
    with Screen(alice, "bash", "--norc", env=PLAIN) as screen:
        screen.expect(PROMPT)
        screen.type(f"kapsule enter {container} -- sh -c 'echo ready; cat'\n")
        screen.expect("ready\r\n")
        raw = screen.modes()
        [client] = _children(screen.pid)
        os.kill(client, signal.SIGTSTP)
        screen.expect("Stopped")
        screen.type("echo outside\n")
        screen.expect("\r\noutside\r\n")
        screen.type("fg\n")
        screen.expect("kapsule enter")
        until(lambda: screen.modes() == raw)
        screen.type("inside again\n")
        screen.expect("inside again\r\ninside again\r\n")


def test_input_from_a_pipe_and_output_on_a_terminal(alice: User, container: str) -> None:
    """The command sees a pipe and a terminal, and the pipe's end."""
    script = f"echo piped | kapsule enter {container} -- sh -c 'test ! -t 0 -a -t 1 && cat'"
    with Screen(alice, "sh", "-c", script) as screen:
        assert screen.wait() == 0
        assert b"piped" in screen.output


def test_input_from_a_terminal_and_output_into_a_pipe(alice: User, container: str) -> None:
    """What is typed arrives once, the pipe gets bytes as they are, Ctrl-D ends it."""
    command = "echo ready >&2; exec cat"
    script = f"kapsule enter {container} -- sh -c '{command}' | od -An -c; echo over"
    with Screen(alice, "sh", "-c", script) as screen:
        screen.expect("ready")
        screen.type("typed\n\x04")
        shown = screen.expect("over")
        assert shown.count(b"   t   y   p   e   d  \\n\r\n") == 1
        assert b"\\r" not in shown
        assert screen.wait() == 0


def test_a_background_job_with_a_terminal(alice: User, container: str) -> None:
    """In the background, a session neither takes the keyboard nor stops."""
    with Screen(alice, "bash", "--norc", env=PLAIN) as screen:
        screen.expect(PROMPT)
        screen.type(f"kapsule enter {container} -- sh -c 'sleep 1; echo from-behind' &\n")
        screen.type("echo in-front\n")
        screen.expect("\nin-front\r\n")
        screen.expect("from-behind")


def test_tmux(alice: User, container: str) -> None:
    """A program that paints the whole screen, with a server that outlives it."""
    with Screen(alice, "kapsule", "enter", container, rows=20, columns=60) as screen:
        screen.expect(PROMPT)
        # Keys that come at once would be a paste, and no command: tmux(1), assume-paste-time.
        screen.type("tmux -f /dev/null -L t set -g assume-paste-time 0 \\; new-session -s one\n")
        screen.expect("[one]")
        screen.expect(PROMPT)
        screen.type("echo $((40+2))-in-tmux\n")
        screen.expect("42-in-tmux")
        screen.expect(PROMPT)
        screen.type("\x02d")
        screen.expect("detached")
        screen.type("tmux -L t kill-server; exit\n")
        assert screen.wait() == 0


def test_vim(alice: User, container: str) -> None:
    """An editor writes what was typed into it."""
    with Screen(alice, "kapsule", "enter", container) as screen:
        screen.expect(PROMPT)
        screen.type("rm -f v.txt; vi -u NONE v.t''xt\n")
        screen.expect('"v.txt" [New')
        screen.type("ihello from vim\x1b:wq\n")
        screen.expect("written")
        screen.expect(PROMPT)
        screen.type("cat v.txt; exit\n")
        screen.expect("hello from vim\r\n")


def test_much_output(alice: User, container: str) -> None:
    """Ten megabytes through the terminal arrive whole, the last line too."""
    command = "yes 0123456789abcdef | head -c 10000000; echo; echo last-line"
    with Screen(alice, "kapsule", "enter", container, "--", "sh", "-c", command) as screen:
        assert screen.wait() == 0
        assert screen.output.count(b"0123456789abcdef") == 10_000_000 // 17
        assert screen.output.endswith(b"last-line\r\n" + POP)


def test_much_input(alice: User, container: str) -> None:
    """A large paste into a program that repeats it neither hangs nor loses a line."""
    pasted = "".join(f"line {number:05d} {'x' * 60}\n" for number in range(4000))
    # Of the terminal's own echo the kernel drops some when there is too much of it: n_tty.c.
    command = "stty -echo; echo ready; exec cat"
    with Screen(alice, "kapsule", "enter", container, "--", "sh", "-c", command) as screen:
        screen.expect("ready\r\n")
        screen.type(pasted + "\x04")
        assert screen.wait() == 0
        assert screen.output == pasted.replace("\n", "\r\n").encode() + POP


def _children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(word) for word in file.read().split()]
