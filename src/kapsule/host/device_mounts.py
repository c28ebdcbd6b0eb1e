# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep what Incus mounts for one container out of the others.

Incus mounts each directory that a container gets below its own `devices` first, and takes it away
again once the container has it. But a container that sees the host's file system, and follows what
is mounted there, gets a copy of each: of the whole host, with what the other containers have of it.
That doubles the mounts with each container that starts, and the eleventh or so finds that the
kernel has no more of them (proc_sys_fs(5), mount-max). So what happens below `devices` stays there.
"""

import asyncio
import errno
import logging
import os

from kapsule.linux.bind_mount import bind, make_private

log = logging.getLogger(__name__)


async def keep_apart(incus_directory: str) -> None:
    """Make Incus's directory of devices a private mount; call it before Incus starts a container.

    incus_directory: where Incus keeps its data. What is done already is not done again. Where it
    cannot be done, containers work all the same, if not many.
    """
    directory = os.path.join(incus_directory, "devices")
    try:
        await asyncio.to_thread(_make_private, directory)
    except FileNotFoundError:
        return  # Incus was never started
    except OSError as error:
        log.warning("Few containers will be able to run: %s: %s", directory, error.strerror)


def _make_private(directory: str) -> None:
    try:
        make_private(directory)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        bind(directory, directory)
        make_private(directory)
