# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories that the options name, found on the host with their owner's rights."""

from collections.abc import Mapping

from kapsule.create.host_directories import find_directory, make_missing, provide_directory
from kapsule.create.mounts import (
    CustomMount,
    Mount,
    check_source,
    home_folder,
    home_of,
    plan_custom_mounts,
)
from kapsule.host.users import HostUser
from kapsule.options.schema import OptionValue


async def find_home(
    options: Mapping[str, OptionValue], owner: HostUser, made: list[str]
) -> Mount | None:
    """Return what is mounted at the owner's home; None where the container has one of its own.

    options: a value for every option of the table. made: gets the directories of the owner's that
    are about to be made because they were missing, the outermost first.
    Raises InvalidArgument for a directory that cannot be shared.
    """
    folder = str(options["home"])
    if folder:
        source = await provide_directory(owner, home_folder(folder, owner), made)
        return Mount(home_of(owner), source)
    if options["mount_home"]:
        home = home_of(owner)
        check_source(home, await find_directory(owner, home) or home)
        return Mount(home, home)
    return None


async def find_custom_mounts(
    options: Mapping[str, OptionValue], owner: HostUser, home: Mount | None, made: list[str]
) -> tuple[Mount, ...]:
    """Return the custom mounts. options, made: as for find_home(). home: what that returned.

    Raises InvalidArgument for a directory that cannot be shared.
    """
    texts = options["custom_mounts"]
    assert isinstance(texts, tuple)  # the table says so
    planned = plan_custom_mounts(texts, owner, mounts_home=home is not None)
    return tuple([await _find(mount, owner, home, made) for mount in planned])


async def _find(mount: CustomMount, owner: HostUser, home: Mount | None, made: list[str]) -> Mount:
    source = await provide_directory(owner, mount.path, made)
    if home and mount.path.startswith(home.path + "/"):
        # Otherwise it would be root who makes the place to mount upon.
        place = home.source + mount.path.removeprefix(home.path)
        await make_missing(owner, place, home.source, made)
    return Mount(mount.path, source, mount.read_only)
