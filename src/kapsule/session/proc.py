# SPDX-License-Identifier: GPL-3.0-or-later
"""Read what the kernel tells of processes: proc(5).

Much of it is chosen by a guest: what a process is called, where a control group or a mount is. That
can be any bytes, and the kernel keeps only newlines out of them. So a line ends there and nowhere
else: what str.splitlines() and text files also take for the end of one would let a guest add lines.
"""

import os


def read(path: str) -> str:
    """Return the text of a file, without what ends it. Raises OSError."""
    with open(path, "rb") as file:
        return os.fsdecode(file.read().rstrip(b"\0\n"))


def lines(path: str) -> list[str]:
    """Return the lines of a file. Raises OSError."""
    text = read(path)
    return text.split("\n") if text else []


def words(path: str, name: str) -> list[str]:
    """Return the words after `name:` in a file of such lines; none where it has no such line.

    Raises OSError.
    """
    found = (line for line in lines(path) if line.startswith(f"{name}:"))
    return next(found, "").split()[1:]
