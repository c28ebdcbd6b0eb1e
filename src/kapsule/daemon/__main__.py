# SPDX-License-Identifier: GPL-3.0-or-later
"""The `kapsule-daemon` program."""

import argparse
import asyncio
import logging
import os
import shutil
import sys
from collections.abc import Sequence

from kapsule import __version__
from kapsule.daemon import app
from kapsule.daemon.journal import set_up_logging
from kapsule.daemon.pipelines import describe_pipelines
from kapsule.errors import KapsuleError

_COMMAND = "kapsule"

log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the daemon and return its exit status: 0 after SIGTERM, 1 after a failure."""
    options = _parser().parse_args(arguments)
    if options.describe_pipelines:
        print(describe_pipelines())
        return 0
    set_up_logging()
    try:
        asyncio.run(app.run(options.bus_address, find_command(sys.argv[0])))
    except KapsuleError as error:
        log.error("%s", error.to_text())
        return 1
    return 0


def find_command(program: str) -> str:
    """Return the absolute path of the `kapsule` command that was installed with this daemon.

    program: how the daemon was called, sys.argv[0].
    """
    here = os.path.dirname(os.path.abspath(program))
    for folder in (here, os.path.join(here, "..", "..", "bin")):
        command = os.path.normpath(os.path.join(folder, _COMMAND))
        if os.path.isfile(command) and os.access(command, os.X_OK):
            return command
    return shutil.which(_COMMAND) or f"/usr/bin/{_COMMAND}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kapsule-daemon",
        description="The service behind the kapsule command. The system bus starts it.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s version {__version__}")
    parser.add_argument(
        "--bus-address", metavar="ADDRESS", help="serve on this bus, not on the system bus"
    )
    parser.add_argument(
        "--describe-pipelines", action="store_true", help="print what is done in which order"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
