# SPDX-License-Identifier: GPL-3.0-or-later
import os
import pwd

import pytest

from kapsule.errors import NotFound
from kapsule.host.users import look_up

NOBODY_HAS_IT = 4_000_000_001


async def test_look_up_gives_what_passwd_says() -> None:
    """An account comes with the fields of its passwd entry and all its groups."""
    entry = pwd.getpwuid(0)
    user = await look_up(0)
    assert (user.uid, user.gid, user.name, user.home) == (0, entry.pw_gid, "root", entry.pw_dir)
    assert user.shell == entry.pw_shell
    assert set(user.groups) == set(os.getgrouplist("root", entry.pw_gid))
    assert user.group_name == "root"


@pytest.mark.parametrize("uid", [NOBODY_HAS_IT, 2**32 - 1, 2**64])
async def test_look_up_of_nobody_is_a_clear_error(uid: int) -> None:
    """A uid without an account, or that cannot be one, raises NotFound and names the uid."""
    with pytest.raises(NotFound, match=str(uid)):
        await look_up(uid)
