# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the caller's variables come along into a container. Pure.

An allow-list, because the host's PATH, library paths and secrets have no business in there.
"""

from collections.abc import Sequence

_ALWAYS = frozenset(("TERM",))
_NAMES = _ALWAYS | {
    # the terminal and its colours
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "COLORFGBG",
    "COLORTERM",
    "FORCE_COLOR",
    "KONSOLE_VERSION",
    "NO_COLOR",
    "TERM_PROGRAM",
    "TERM_PROGRAM_VERSION",
    "VTE_VERSION",
    # language
    "LANG",
    "LANGUAGE",
    # the display
    "DESKTOP_SESSION",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_CURRENT_DESKTOP",
    "XDG_MENU_PREFIX",
    "XDG_SESSION_DESKTOP",
    "XDG_SESSION_TYPE",
    # where servers and agents are: the daemon puts their sockets in place and rewrites these
    "DBUS_SESSION_BUS_ADDRESS",
    "GNUPGHOME",
    "PIPEWIRE_REMOTE",
    "PIPEWIRE_RUNTIME_DIR",
    "PULSE_SERVER",
    "SSH_AUTH_SOCK",
    "XDG_RUNTIME_DIR",
    # what one edits and reads with
    "EDITOR",
    "LESS",
    "PAGER",
    "VISUAL",
}
_PREFIXES = ("LC_",)


def choose(environment: dict[str, str], extra: Sequence[str], *, clean: bool) -> dict[str, str]:
    """Return what passes of the caller's environment.

    extra: the arguments of `--env`, NAME=VALUE or NAME; a NAME that is not set passes nothing.
    clean: let nothing pass but the type of the terminal and extra.
    """
    allowed = _ALWAYS if clean else _NAMES
    passed = {
        name: value
        for name, value in environment.items()
        if name in allowed or (not clean and name.startswith(_PREFIXES))
    }
    for word in extra:
        name, equals, value = word.partition("=")
        if equals:
            passed[name] = value
        elif name in environment:
            passed[name] = environment[name]
    return passed
