# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of the caller's variables that name what must not be shared."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.system.desktop import servers
from tests.system.desktop.sockets import Speaker
from tests.system.support.users import User

FOLDER = "/tmp/traps"  # {traps} below
LONG = "x" * 5000

# What is there, but is no socket, or no socket of the caller's.
_PLACES = {
    "not-a-socket": "{traps}/file",
    "fifo": "{traps}/fifo",
    "directory": "{traps}/folder",
    "device": "/dev/null",
    "not-readable": "/etc/shadow",
    "readable": "/etc/passwd",
    "root": "/",
    "socket-of-root": "{traps}/of-root",
    "socket-of-bob": "{traps}/of-bob",
    "socket-without-rights": "{traps}/of-nobody",
    "socket-in-a-closed-folder": "{traps}/closed/socket",
    "link-to-shadow": "{traps}/to-shadow",
    "link-to-a-socket-of-root": "{traps}/to-of-root",
    "link-in-the-way": "{traps}/to-etc/shadow",
    "link-to-itself": "{traps}/to-itself",
    "descriptor": "/proc/self/fd/0",
    "descriptor-of-init": "/proc/1/fd/0",
    "magic-link": "/proc/self/root{traps}/socket",
    "magic-link-of-init": "/proc/1/root{traps}/of-root",
    "magic-working-directory": "/proc/self/cwd/etc/shadow",
    "behind-a-file": "{traps}/socket/../of-root",
    "trailing-slash": "{traps}/socket/",
    "long": "/" + LONG,
    "long-name": "{traps}/" + "x" * 300,
    "newline": "{traps}/socket\n/etc/shadow",
    "escape": "{traps}/\x1b[2Jsocket",
    "not-utf-8": "{traps}/\udcffsocket",
}
_RELATIVE = {
    "up": "../../../etc/shadow",
    "up-to-a-socket-of-root": "../../..{traps}/of-root",
    "up-only": "..",
    "here": ".",
    "slash-at-the-end": "wayland-0/",
    "slashes": "///",
    "through-a-socket": "wayland-0/../../../../etc/shadow",
    "blank": " ",
    "long-relative": LONG,
}
_DISPLAYS = {
    "climbing": ":0/../../../etc/shadow",
    "climbing-at-once": ":../../../etc/shadow",
    "slash": ":/etc/shadow",
    "unix-climbing": "unix:../../../etc/shadow",
    "unix-path": "unix:/etc/shadow",
    "negative": ":-1",
    "plus": ":+7",
    "hexadecimal": ":0x7",
    "other-digits": ":\u0667",
    "blank": ": 7",
    "underscore": ":1_0",
    "huge": ":" + "9" * 400,
    "newline": ":7\n",
    "no-number": ":",
    "only-a-screen": ":.0",
    "words": ":7;reboot",
}
_BUSES = {
    "escaped": "unix:path=%2Fetc%2Fshadow",
    "escaped-badly": "unix:path=/etc/%zz",
    "escaped-nul": "unix:path={traps}/socket%00/etc/shadow",
    "relative": "unix:path=../../etc/shadow",
    "no-path": "unix:path=",
    "program": "unixexec:path=/bin/sh,argv1=-c,argv2=id",
    "no-address": "nonsense",
    "folder": "unix:dir={traps}",
}
_COOKIES = {
    "not-readable": "/etc/shadow",
    "file-of-bob": "{traps}/file-of-bob",
    "link-to-shadow": "{traps}/to-shadow",
    "link-in-the-way": "{traps}/to-etc/shadow",
    "socket": "{traps}/socket",
    "fifo": "{traps}/fifo",
    "directory": "{traps}/folder",
    "device": "/dev/zero",
    "daemon-environment": "/proc/self/environ",
    "daemon-status": "/proc/self/status",
    "descriptor": "/proc/self/fd/0",
    "init-root": "/proc/1/root/etc/shadow",
    "up": "../../../etc/shadow",
    "here": ".",
    "trailing-slash": "{traps}/file/",
    "trailing-dots": "{traps}/folder/..",
    "closed-folder": "{traps}/closed/file",
    "long": "/" + LONG,
    "newline": "{traps}/file\n",
    "no-cookies": "{traps}/file",
    "huge": "{traps}/huge",
    "truncated": "{traps}/truncated",
    "for-another-display": "{traps}/other-display",
    "own-memory": "/proc/self/mem",
}


def _forms() -> dict[str, dict[str, str]]:
    paths = ("WAYLAND_DISPLAY", "SSH_AUTH_SOCK", "PIPEWIRE_REMOTE")
    forms: dict[str, dict[str, str]] = {}
    for name, place in _PLACES.items():
        addresses = {
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={place}",
            "PULSE_SERVER": f"unix:{place}",
        }
        forms[name] = dict.fromkeys(paths, place) | addresses
    forms |= {name: dict.fromkeys(paths, place) for name, place in _RELATIVE.items()}
    forms |= {f"display-{name}": {"DISPLAY": value} for name, value in _DISPLAYS.items()}
    forms |= {f"bus-{name}": {"DBUS_SESSION_BUS_ADDRESS": bus} for name, bus in _BUSES.items()}
    forms |= {f"cookie-{name}": {"XAUTHORITY": value} for name, value in _COOKIES.items()}
    return {
        name: {key: value.replace("{traps}", FOLDER) for key, value in variables.items()}
        for name, variables in forms.items()
    }


# Each is the hostile part of an environment.
FORMS = _forms()


@contextmanager
def traps(alice: User, bob: User, root: User) -> Iterator[None]:
    """Have the files that FORMS name while the block runs."""
    folder = Path(FOLDER)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o755)
    with ExitStack() as stack:
        for name, owner, mode in (
            ("socket", alice, 0o600),
            ("of-root", root, 0o600),
            ("of-bob", bob, 0o600),
            ("of-nobody", alice, 0o000),
            ("closed/socket", alice, 0o600),
        ):
            stack.enter_context(Speaker(f"{FOLDER}/{name}", owner, mode))
        for name, owner in (("file", alice), ("file-of-bob", bob), ("closed/file", alice)):
            Path(folder, name).write_text("cookie")
            shutil.chown(folder / name, owner.name)
            Path(folder, name).chmod(0o600)
        _write_cookies(folder, alice)
        Path(folder, "folder").mkdir()
        os.mkfifo(folder / "fifo")
        for name in ("folder", "fifo"):
            shutil.chown(folder / name, alice.name)
        for name, target in (
            ("to-shadow", "/etc/shadow"),
            ("to-etc", "/etc"),
            ("to-of-root", "of-root"),
            ("to-itself", "to-itself"),
        ):
            Path(folder, name).symlink_to(target)
        Path(folder, "closed").chmod(0o700)  # root's
        yield
    shutil.rmtree(folder)


def _write_cookies(folder: Path, owner: User) -> None:
    cookie = servers.entry(7, b"0123456789abcdef")
    contents = {
        "huge": cookie * 10_000,
        "truncated": cookie[:-1],
        "other-display": servers.entry(8, b"0123456789abcdef"),
    }
    for name, content in contents.items():
        Path(folder, name).write_bytes(content)
        shutil.chown(folder / name, owner.name)
        Path(folder, name).chmod(0o600)
