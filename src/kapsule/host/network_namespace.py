# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that names the host's network namespace, for containers that share it.

/proc/1/ns/net is one that is always there, but where PID 1 has more capabilities than this daemon
it cannot be opened: ptrace(2), "Ptrace access mode checking". There we make one ourselves.
"""

import asyncio
import os

from kapsule import names
from kapsule.errors import NotSupported
from kapsule.linux.bind_mount import bind

FILE = names.RUN_DIRECTORY + "/netns"

_OF_INIT = "/proc/1/ns/net"
_OURS = "/proc/self/ns/net"


async def choose_file() -> str:
    """Return the path of a file that names the host's network namespace; make one where needed.

    Raises NotSupported when it cannot be made.
    """
    if await asyncio.to_thread(_can_open, _OF_INIT):
        return _OF_INIT
    await make_file()
    return FILE


async def make_file(file: str = FILE) -> None:
    """Make the file, unless it is there already. A reboot takes it away.

    Raises NotSupported when it cannot be made.
    """
    try:
        await asyncio.to_thread(_make, file)
    except OSError as error:
        raise NotSupported(
            f"The host's network cannot be shared: {file}: {error.strerror}",
            hint="The daemon must run as root, with the right to mount",
        ) from error


def _make(file: str) -> None:
    os.makedirs(os.path.dirname(file), mode=0o755, exist_ok=True)
    os.close(os.open(file, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o444))
    if not os.path.samefile(file, _OURS):
        bind(_OURS, file)


def _can_open(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
