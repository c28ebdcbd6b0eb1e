# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon's methods as Python methods, over a real bus."""

import os
import socket

import pytest
from dbus_fast import Message, Variant

from kapsule.client.bus import Bus, ContainerRow, EnterReply
from kapsule.client.connection import Signal
from kapsule.errors import InvalidArgument, KapsuleError, NotFound, NotSupported
from kapsule.testing.fake_daemon import FakeDaemon, Said

ROW = ["dev", "Running", "Debian 12", "2026-02-11T06:31:22+00:00", "Default"]
MESSAGE = Said("Message", "isi", [0, "starting", 1])


def _reply_with_session(call: Message, terminals: int) -> Message:
    ours, theirs = socket.socketpair()
    theirs.send(b"hello")
    theirs.close()
    descriptors = [ours.detach(), *(os.open(os.devnull, os.O_RDWR) for _ in range(terminals))]
    body = [0, list(range(1, 1 + terminals)), ["no such directory"], "dev"]
    return Message.new_method_return(call, "hahass", body, unix_fds=descriptors)


def _enter(bus: Bus) -> EnterReply:
    return bus.enter("dev", ["ls", ""], "/", {"A": "é"}, stdio=[], terminal=[], rows=1, columns=2)


def test_containers_come_as_rows(bus: Bus, daemon: FakeDaemon) -> None:
    """The struct's fields have names."""
    daemon.reply("ListContainers", "a(sssss)", [ROW])
    daemon.reply("GetContainerInfo", "(sssss)", ROW)
    assert bus.list_containers() == [ContainerRow(*ROW)]
    assert bus.get_container_info("dev").status == "Running"


def test_texts_come_as_texts(bus: Bus, daemon: FakeDaemon) -> None:
    """JSON is left to those who read it."""
    for member in ("Describe", "ListImages"):
        daemon.reply(member, "s", f"[{member}]")
    assert [bus.describe("dev"), bus.list_images()] == ["[Describe]", "[ListImages]"]


def test_options_travel_with_their_types(bus: Bus, daemon: FakeDaemon) -> None:
    """A boolean is b, a list of texts is as."""
    daemon.reply("CreateContainer", "o", "/org/kde/kapsule/operations/7")
    path = bus.create_container("dev", "", {"gpu": False, "custom_mounts": ("/a",)})
    assert path == "/org/kde/kapsule/operations/7"
    options = {"gpu": Variant("b", False), "custom_mounts": Variant("as", ["/a"])}
    assert daemon.calls[-1] == ("CreateContainer", ["dev", "", options])


def test_every_method_that_starts_an_operation_returns_its_path(
    bus: Bus, daemon: FakeDaemon
) -> None:
    """The arguments are those of the interface, in order."""
    members = ("Start", "Stop", "Restart", "Delete")
    for member in members:
        daemon.reply(member + "Container", "o", "/o")
    for member in ("ImportImage", "DeleteImage", "RefreshImages"):
        daemon.reply(member, "o", "/o")
    paths = {
        bus.start_container("a"),
        bus.stop_container("a", force=True),
        bus.restart_container("a"),
        bus.delete_container("a", force=True),
        bus.import_image("/i", "alias"),
        bus.delete_image("x"),
        bus.refresh_images(""),
    }
    assert paths == {"/o"}
    assert [call[1] for call in daemon.calls] == [
        ["a"],
        ["a", True],
        ["a", False],
        ["a", True],
        ["/i", "alias"],
        ["x"],
        [""],
    ]


def test_an_error_comes_back_as_the_same_error(bus: Bus, daemon: FakeDaemon) -> None:
    """Class, message and hint survive the bus."""
    daemon.fail("StartContainer", NotFound.dbus_name, "Container 'x' does not exist\nHint: list")
    with pytest.raises(NotFound, match=r"^Container 'x' does not exist$") as caught:
        bus.start_container("x")
    assert caught.value.hint == "list"


def test_an_error_of_somebody_else_keeps_its_text(bus: Bus, daemon: FakeDaemon) -> None:
    """A name that we do not know is a plain error; without a text, the name is the text."""
    daemon.fail("Describe", "com.example.Odd", "it is odd")
    with pytest.raises(KapsuleError, match="it is odd"):
        bus.describe("x")
    daemon.fail("Describe", "com.example.Odd", "")
    with pytest.raises(KapsuleError, match=r"com\.example\.Odd"):
        bus.describe("x")


def test_trouble_with_the_settings_is_an_error(bus: Bus, daemon: FakeDaemon) -> None:
    """The interface answers with a key of its own; nobody should take it for a setting."""
    daemon.reply("GetConfig", "a{ss}", {"default_container": "k", "default_image": "i"})
    assert bus.get_config() == {"default_container": "k", "default_image": "i"}
    daemon.reply("GetConfig", "a{ss}", {"error": "no such user"})
    with pytest.raises(KapsuleError, match="no such user"):
        bus.get_config()


def test_an_unknown_method_is_explained(bus: Bus) -> None:
    """A daemon of another version is the likely reason."""
    with pytest.raises(NotSupported, match="does not know RestartContainer"):
        bus.restart_container("x")


def test_without_a_daemon_there_is_a_hint(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody owns the name: the error says how to start the daemon."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
    with Bus() as bus, pytest.raises(KapsuleError, match="not running") as caught:
        bus.list_containers()
    assert "systemctl start kapsule-daemon" in caught.value.hint


@pytest.mark.parametrize("place", ["unix:path=/nonexistent", "nonsense", "tcp:host=h,port=1", ""])
def test_without_a_bus_there_is_a_hint(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket, an address that is none, a transport that is not supported."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", place or "unix:path=/nonexistent/bus")
    with pytest.raises(KapsuleError, match="no system bus") as caught:
        Bus()
    assert caught.value.hint


def test_a_daemon_that_dies_during_a_call_is_an_error(bus: Bus, daemon: FakeDaemon) -> None:
    """The bus tells us, so the wait ends."""

    def answer(call: Message) -> bool:
        daemon.leave()
        return True

    daemon.answer("Describe", answer)
    with pytest.raises(KapsuleError, match="stopped before it was done"):
        bus.describe("x")


def test_words_that_are_not_utf8_are_an_argument_error(bus: Bus) -> None:
    """Python keeps such bytes in surrogates, which D-Bus cannot carry."""
    with pytest.raises(InvalidArgument, match="UTF-8"):
        bus.describe(os.fsdecode(b"\xff"))
    with pytest.raises(KapsuleError, match="does not know"):
        bus.describe("still connected")


def test_enter_hands_descriptors_over_both_ways(bus: Bus, daemon: FakeDaemon) -> None:
    """What we send is the daemon's, what it sends is ours and not inherited."""
    daemon.answer("Enter", lambda call: _reply_with_session(call, 1))
    source, sink = os.pipe()
    reply = bus.enter(
        "", ["ls", "", "a\nb"], "/x", {"A": "é"}, stdio=[sink], terminal=[0, 2], rows=3, columns=9
    )
    os.close(source)
    os.close(sink)
    with socket.socket(fileno=reply.control) as control:
        assert control.recv(10) == b"hello"
        assert not control.get_inheritable()
    assert reply.terminal is not None
    os.close(reply.terminal)
    assert (reply.notes, reply.name) == (("no such directory",), "dev")
    name, command, cwd, environment, stdio, options = daemon.calls[-1][1]
    assert (name, command, cwd, environment) == ("", ["ls", "", "a\nb"], "/x", {"A": "é"})
    assert stdio == [0]
    assert options["terminal"] == Variant("au", [0, 2])
    assert (options["rows"].value, options["columns"].value) == (3, 9)
    assert options["root"].value is False


def test_enter_without_a_terminal_has_none(bus: Bus, daemon: FakeDaemon) -> None:
    """Pipes need no pseudo-terminal."""
    daemon.answer("Enter", lambda call: _reply_with_session(call, 0))
    reply = _enter(bus)
    os.close(reply.control)
    assert reply.terminal is None


def test_signals_reach_the_callback_while_enter_waits(bus: Bus, daemon: FakeDaemon) -> None:
    """A first enter takes long and says what it does."""

    def answer(call: Message) -> Message:
        daemon.send_signal(call, "/org/kde/kapsule/operations/3", MESSAGE)
        return _reply_with_session(call, 0)

    daemon.answer("Enter", answer)
    seen: list[Signal] = []
    reply = bus.enter(
        "dev", [], "/", {}, stdio=[], terminal=[], rows=1, columns=1, on_signal=seen.append
    )
    os.close(reply.control)
    assert seen == [Signal("/org/kde/kapsule/operations/3", "Message", (0, "starting", 1))]


def test_a_large_environment_passes(bus: Bus, daemon: FakeDaemon) -> None:
    """Two megabytes are no trouble for the bus."""
    daemon.answer("Enter", lambda call: _reply_with_session(call, 0))
    environment = {f"V{number}": "x" * 100_000 for number in range(20)}
    reply = bus.enter("d", [], "/", environment, stdio=[], terminal=[], rows=1, columns=1)
    os.close(reply.control)
    assert daemon.calls[-1][1][3] == environment


def test_a_watched_descriptor_can_end_a_wait(bus: Bus, daemon: FakeDaemon) -> None:
    """That is how Ctrl-C interrupts without losing data of the bus."""
    daemon.answer("Describe", lambda call: True)
    source, sink = os.pipe()

    def stop() -> None:
        raise KeyboardInterrupt

    bus.watch(source, stop)
    os.write(sink, b"x")
    with pytest.raises(KeyboardInterrupt):
        bus.describe("x")
    bus.unwatch(source)
    os.close(source)
    os.close(sink)
    daemon.reply("Describe", "s", "{}")
    assert bus.describe("x") == "{}"
