# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the directories that a container shares are gone from the host."""

import os
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from kapsule import names
from kapsule.containers.container import Container
from kapsule.containers.custom_mounts import stored_mounts
from kapsule.create.mounts import expand
from kapsule.errors import InvalidArgument
from kapsule.host.patience import run_in_own_thread
from kapsule.host.users import HostUser
from kapsule.linux.as_user import open_as
from kapsule.options.mount_paths import split_access

_PATIENCE = 0.1  # seconds; a file system that takes longer is not asked again while it hangs
_hanging: set[str] = set()


async def missing_directories(container: Container, user: HostUser) -> list[str]:
    """Return those that are not there any more, as far as the file system answers at once.

    user: whose container it is; what they may not see is not told. A container that shares no
    directory by name costs nothing.
    """
    chosen = _chosen(container, user)
    asked = [path for path in chosen if path not in _hanging]
    if not asked:
        return []
    _hanging.update(asked)
    with suppress(OSError):
        return await run_in_own_thread(user.uid, partial(_gone, user, asked), _PATIENCE)
    return []


def _chosen(container: Container, user: HostUser) -> list[str]:
    config = container.config
    if names.KEY_CUSTOM_MOUNTS not in config and names.KEY_HOME not in config:
        return []
    paths = []
    for text in (*stored_mounts(config), config.get(names.KEY_HOME, "")):
        with suppress(InvalidArgument):
            paths.append(expand(split_access(text)[0], user))
    return paths


def _gone(user: HostUser, paths: Sequence[str]) -> list[str]:
    gone = []
    for path in paths:
        try:
            os.close(open_as(user, path, os.O_PATH))
        except FileNotFoundError:
            gone.append(path)
        except OSError:
            continue
        finally:
            _hanging.discard(path)
    return gone
