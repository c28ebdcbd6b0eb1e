# SPDX-License-Identifier: GPL-3.0-or-later
"""The marks by which a terminal knows that a container was entered and left. Pure.

OSC 777 `container;push;NAME;TYPE` and `container;pop`, as Konsole, Ptyxis and VTE read them.
"""

_TYPE = "kapsule"
_FORBIDDEN = str.maketrans("", "", ";\a\x1b")


def push(name: str) -> bytes:
    """Return the mark for a container of this name; what would end the mark early is left out."""
    return f"\x1b]777;container;push;{name.translate(_FORBIDDEN)};{_TYPE}\a".encode()


def pop() -> bytes:
    """Return the mark for having left it."""
    return b"\x1b]777;container;pop;;\a"
