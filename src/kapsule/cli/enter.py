# SPDX-License-Identifier: GPL-3.0-or-later
"""`kapsule enter`: the hot path. Imports the standard library and jeepney, and little of both."""

import os
import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from kapsule.cli import passed_environment
from kapsule.cli.enter_words import EnterArguments
from kapsule.client.bus import Bus
from kapsule.client.connection import OnSignal, Signal
from kapsule.errors import InvalidArgument, KapsuleError
from kapsule.linux import pty
from kapsule.terminal import osc
from kapsule.terminal.held_signals import hold
from kapsule.terminal.raw import RawMode, silence_echo
from kapsule.terminal.relay import FORWARDED, Relay, Terminal

if TYPE_CHECKING:
    from kapsule.cli.waiting import Waiting

FAILED = 125  # kapsule itself failed, not the command: as docker, podman and toolbox do it
_STANDARD = (0, 1, 2)
_OUTPUT = 1


def run(arguments: EnterArguments) -> int:
    """Enter a container and return the exit status of what ran there."""
    _fill_gaps()
    on_terminal = [number for number in _STANDARD if os.isatty(number)]
    try:
        with hold(FORWARDED) as release:
            return _enter(arguments, on_terminal, release)
    except KapsuleError as error:
        _explain(error)
        return FAILED


def _enter(arguments: EnterArguments, on_terminal: list[int], release: Callable[[], None]) -> int:
    """Start a session and stay with it to its end. release: lets signals through."""
    control, master, name = _start(arguments, on_terminal, release)
    with socket.socket(fileno=control) as channel, ExitStack() as stack:
        if arguments.osc and _OUTPUT in on_terminal:
            os.write(_OUTPUT, osc.push(name))
            stack.callback(os.write, _OUTPUT, osc.pop())
        terminal = _terminal(master, on_terminal, stack)
        return Relay(channel, terminal).run(release)


def _start(
    arguments: EnterArguments, on_terminal: list[int], release: Callable[[], None]
) -> tuple[int, int | None, str]:
    """Have the daemon start the session; return control socket, terminal and container name."""
    environment = passed_environment.choose(
        dict(os.environ), arguments.env, clean=arguments.clean_env
    )
    _check_text(arguments.command)
    left_out = [name for name in environment if not _is_text(name + environment[name])]
    for name in left_out:
        del environment[name]
    rows, columns = pty.get_window_size(on_terminal[-1]) if on_terminal else (24, 80)
    with Bus() as bus, ExitStack() as stack:
        session = bus.enter(
            arguments.name,
            arguments.command,
            _directory(arguments.cwd),
            environment,
            stdio=[number for number in _STANDARD if number not in on_terminal],
            terminal=on_terminal,
            rows=rows,
            columns=columns,
            root=arguments.root,
            on_signal=_shower(bus, stack, release),
        )
    notes = [f"{name!a} does not pass: it is not UTF-8" for name in left_out]
    if notes or session.notes:
        _show_notes((*notes, *session.notes))
    return session.control, session.terminal, session.name


def _shower(bus: Bus, stack: ExitStack, release: Callable[[], None]) -> OnSignal:
    """Return what shows the daemon's work, if it has any before the session can start."""
    waiting: list[Waiting] = []

    def show(signal: Signal) -> None:
        from kapsule.cli.waiting import Waiting  # a warm enter never gets here

        if not waiting:
            release()
            waiting.append(stack.enter_context(Waiting(bus, signal.path)))
        waiting[0].show(signal)

    return show


def _fill_gaps() -> None:
    """Open /dev/null for those of 0, 1 and 2 that are closed, before something else gets them."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) in _STANDARD:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _terminal(master: int | None, on_terminal: list[int], stack: ExitStack) -> Terminal | None:
    """Join the caller's terminal to the session's.

    Raw mode belongs to the one case in which both input and output are a terminal. In a pipeline,
    another program may have the keyboard too (`kapsule enter c -- ls | less`).
    """
    if master is None:
        return None
    source = 0 if 0 in on_terminal else None
    sink = next(number for number in (1, 2, 0) if number in on_terminal)
    raw = stack.enter_context(RawMode(0)) if 0 in on_terminal and 1 in on_terminal else None
    if raw is None:
        silence_echo(master)
    terminal = Terminal(master, source, sink, raw)
    terminal.resize()
    return terminal


def _directory(wanted: str) -> str:
    """Return where the session shall start, as an absolute path."""
    try:
        return os.path.join(os.getcwd(), wanted) if wanted else os.getcwd()
    except FileNotFoundError:  # the directory was removed under our feet
        return wanted if os.path.isabs(wanted) else os.path.expanduser("~")


def _check_text(words: list[str]) -> None:
    for word in words:
        if not _is_text(word):
            raise InvalidArgument(
                f"{word.encode(errors='surrogateescape')!r} is not UTF-8",
                hint="Arguments cross the bus as text.",
            )


def _is_text(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _show_notes(notes: tuple[str, ...]) -> None:
    from kapsule.cli import output  # a warm enter has nothing to say

    for note in notes:
        output.say(f"Note: {note}")


def _explain(error: KapsuleError) -> None:
    from kapsule.cli import output  # likewise

    output.error(error)
