# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging as systemd wants it: lines on stderr, without a time of their own."""

import logging
import os
import sys
from typing import TextIO

# sd-daemon(3): the journal takes a line's priority from a prefix.
_PREFIXES = {
    logging.DEBUG: "<7>",
    logging.INFO: "<6>",
    logging.WARNING: "<4>",
    logging.ERROR: "<3>",
    logging.CRITICAL: "<2>",
}


class JournalFormatter(logging.Formatter):
    """Puts the priority in front of each line, because the journal takes each line for itself."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record with prefixes."""
        prefix = _PREFIXES.get(record.levelno, "<5>")
        return "\n".join(prefix + line for line in super().format(record).splitlines())


def is_journal(stream: TextIO, variable: str | None) -> bool:
    """Say whether a stream leads to the journal.

    variable: $JOURNAL_STREAM, device and inode of the journal's socket: systemd.exec(5). It is
    inherited, so it says nothing about a stream that was redirected since.
    """
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return variable == f"{status.st_dev}:{status.st_ino}"


def set_up_logging() -> None:
    """Log to stderr from now on."""
    handler = logging.StreamHandler(sys.stderr)
    if is_journal(sys.stderr, os.environ.get("JOURNAL_STREAM")):
        handler.setFormatter(JournalFormatter("%(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO)
