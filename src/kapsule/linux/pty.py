# SPDX-License-Identifier: GPL-3.0-or-later
"""Pseudo terminals. Raises only OSError."""

import fcntl
import os
import stat
import struct
import termios

_TIOCSPTLCK = 0x40045431
_TIOCGPTPEER = 0x5441
_PTMX_DEVICE = os.makedev(5, 2)


def open_pty(ptmx: str = "/dev/pts/ptmx") -> tuple[int, int]:
    """Open a new pseudo terminal of the devpts instance that ptmx belongs to.

    Returns the descriptors (master, slave), both close-on-exec. The slave is opened through the
    master (TIOCGPTPEER, ioctl_tty(2)), so that no path is looked up that somebody could replace.
    Raises OSError, also when ptmx is not the device that it should be.
    """
    master = os.open(ptmx, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        status = os.fstat(master)
        if not stat.S_ISCHR(status.st_mode) or status.st_rdev != _PTMX_DEVICE:
            raise OSError(f"{ptmx} is not a pseudo terminal multiplexer")
        fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
        slave = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        os.close(master)
        raise
    return master, slave


def set_window_size(terminal: int, rows: int, columns: int) -> None:
    """Tell a terminal its size in characters; its foreground processes get SIGWINCH."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def get_window_size(terminal: int) -> tuple[int, int]:
    """Return a terminal's (rows, columns)."""
    rows, columns, _, _ = struct.unpack("HHHH", fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8)))
    return rows, columns


def make_controlling(terminal: int) -> None:
    """Make a terminal the controlling one of this session leader."""
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
