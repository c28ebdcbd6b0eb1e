# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs in a container use the host's display, sound, bus and agents."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.desktop import servers, tones
from tests.system.desktop.desktop import NAMES
from tests.system.desktop.guest import Guest
from tests.system.support.waiting import until

GREEN, WHITE = 0x20C040, 0xFFFFFF
# What Snap does to a program: a mount namespace of its own, without /.kapsule.
OWN_NAMESPACE = """
mount -t tmpfs none /.kapsule
exec setpriv --reuid=alice --regid=alice --init-groups -- "$@"
"""


@pytest.mark.main
@pytest.mark.parametrize("name", NAMES)
def test_programs_reach_the_hosts_servers(guest: Guest, name: str) -> None:
    """Wayland, X11, PulseAudio, PipeWire, the session bus, ssh-agent and gpg-agent answer."""
    server = guest.desktop.server(name)
    result = guest.enter(*server.program)
    assert server.answer in result.text, result.error
    assert "Note:" not in result.error


@pytest.mark.parametrize("name", NAMES)
def test_a_mount_namespace_of_its_own(guest: Guest, name: str) -> None:
    """A program that does not see /.kapsule, as Snap's don't, reaches every server."""
    server = guest.desktop.server(name)
    inside = ("sudo", "-E", "unshare", "--mount", "sh", "-ec", OWN_NAMESPACE, "sh")
    assert guest.enter(*inside, "ls", "-A", "/.kapsule").text == ""
    result = guest.enter(*inside, *server.program)
    assert server.answer in result.text, result.error


def test_a_wayland_client_draws(guest: Guest) -> None:
    """The white ring of its window is on the compositor's screen, and gone when the window is."""
    screen = guest.desktop.wayland
    assert screen.picture().share(WHITE) < 0.01
    with _window(guest, "weston-simple-shm"):
        until(lambda: screen.picture().share(WHITE) > 0.05)
    until(lambda: screen.picture().share(WHITE) < 0.01)


def test_an_x_client_draws(guest: Guest) -> None:
    """A window's background is on the host's screen, and gone when the window is."""
    screen = guest.desktop.x11
    colours = [word for option in ("-bg", "-fg", "-bd") for word in (option, f"#{GREEN:06x}")]
    with _window(guest, "xmessage", "-geometry", "310x230+5+5", *colours, "-buttons", "", " "):
        until(lambda: screen.picture().share(GREEN) > 0.9)
    until(lambda: screen.picture().share(GREEN) == 0)


@contextmanager
def _window(guest: Guest, *command: str) -> Iterator[None]:
    """Run a program with a window in the guest while the block runs."""
    with guest.desktop.user.popen(
        *("kapsule", "enter", guest.name, "--", *command),
        env=guest.desktop.environment,
        stdin=subprocess.DEVNULL,
    ) as window:
        try:
            yield
        finally:
            window.terminate()


def test_sound_is_heard(guest: Guest, tmp_path: Path) -> None:
    """A tone that is played in the guest comes out of the host's loudspeaker."""
    samples = ("--raw", "--format=s16le", f"--rate={tones.RATE}", "--channels=1")
    command = ("parec", "--device=@DEFAULT_MONITOR@", "--latency-msec=50", *samples)
    recording = tmp_path / "recording"
    with (
        recording.open("wb") as file,
        guest.desktop.user.popen(*command, env=guest.desktop.environment, stdout=file) as recorder,
    ):
        until(lambda: recording.stat().st_size > 0)
        played = guest.enter("pacat", "--playback", *samples, data=tones.tone(440, seconds=2))
        assert played.code == 0, played.error
        recorder.terminate()
    assert tones.heard(recording.read_bytes(), 440) > 1
    assert tones.heard(recording.read_bytes(), 554) == 0


def test_pipewire_is_heard(guest: Guest, tmp_path: Path) -> None:
    """The same with PipeWire's own clients, which the host's session manager links to the sink."""
    desktop = guest.desktop
    recording = tmp_path / "recording.wav"
    shutil.chown(tmp_path, desktop.user.name)
    tmp_path.parent.chmod(0o711)
    tmp_path.parent.parent.chmod(0o711)
    sink = ("--target=loudspeaker", "-P", "{ stream.capture.sink = true }")
    samples = ("--format=s16", f"--rate={tones.RATE}", "--channels=1")
    with desktop.user.popen(
        "pw-record", *sink, *samples, str(recording), env=desktop.environment
    ) as recorder:
        try:
            until(lambda: recording.exists() and recording.stat().st_size > tones.RATE)
            script = "cat > /tmp/tone.wav && pw-play /tmp/tone.wav"
            played = guest.enter("sh", "-ec", script, data=tones.wave_file(tones.tone(440, 2)))
            assert played.code == 0, played.error
        finally:
            recorder.send_signal(signal.SIGINT)
    sound = tones.of_wave_file(recording.read_bytes())
    assert tones.heard(sound, 440) > 1
    assert tones.heard(sound, 554) == 0


def test_signing_with_the_hosts_agent(guest: Guest) -> None:
    """The host's gpg-agent knows the passphrase; the signature is good."""
    sign = ("gpg", "--batch", "--no-autostart", "--pinentry-mode=error", "--sign", "--armor")
    signed = guest.enter(*sign, data=b"written in the guest")
    assert signed.code == 0, signed.error
    verified = guest.desktop.user.run("gpg", "--batch", "--decrypt", data=signed.out)
    assert verified.text == "written in the guest"
    assert f'Good signature from "{servers.KEY_OWNER}"' in verified.error


def test_sockets_are_no_links(guest: Guest) -> None:
    """Programs that may not follow links, or see where they lead, find real sockets."""
    script = """
    cd "$XDG_RUNTIME_DIR"
    for socket in "$WAYLAND_DISPLAY" bus pipewire-0 pulse/native gnupg/S.gpg-agent \
        "$SSH_AUTH_SOCK" /tmp/.X11-unix/X7
    do
        test -S "$socket" && test "$(realpath "$socket")" = "$(realpath -s "$socket")"
    done
    test -f "$XAUTHORITY" && ! test -L "$XAUTHORITY"
    ! test -L pulse && test -d pulse
    """
    guest.shell(script)


def test_folders_are_the_users_and_private(guest: Guest) -> None:
    """What holds the sockets belongs to whom it would on a real system."""
    script = "stat -c '%U %a' $XDG_RUNTIME_DIR $XDG_RUNTIME_DIR/pulse /tmp/.X11-unix"
    assert guest.shell(script).splitlines() == ["alice 700", "alice 700", "root 1777"]


def test_a_nested_compositor_takes_another_name(guest: Guest) -> None:
    """The lock of the host's compositor is held in the guest too: libwayland goes on to wayland-1.

    Without it, libwayland would take the name, try to remove the socket and fail.
    """
    assert guest.enter("sh", "-c", "flock -n $XDG_RUNTIME_DIR/wayland-0.lock true").code == 1
    assert guest.enter("sh", "-c", "flock -n $XDG_RUNTIME_DIR/wayland-1.lock true").code == 0


def test_nothing_else_of_the_runtime_directory(guest: Guest) -> None:
    """Only the sockets are shared, not what lies beside them, and not the host's /tmp."""
    guest.desktop.user.run("touch", f"{guest.desktop.runtime}/private", "/tmp/private")
    guest.shell("! test -e $XDG_RUNTIME_DIR/private; ! test -e /tmp/private")
    private = f"{guest.desktop.runtime}/systemd/private"
    assert not guest.shares(private, private)


def test_no_tree_of_the_host(guest: Guest) -> None:
    """With --no-host-rootfs there is nothing at /.kapsule/host."""
    has_tree = "--no-host-rootfs" not in guest.options
    assert (guest.enter("test", "-e", "/.kapsule/host/etc").code == 0) == has_tree
