# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from kapsule.containers.access import check_may_use
from kapsule.containers.container import Container
from kapsule.errors import NotAuthorized
from kapsule.testing.users import ALICE

_CONTAINER = Container("dev", "Running", owner=1000, image="", created="")


def test_owner_and_root() -> None:
    """The owner may use the container, and so may root."""
    check_may_use(ALICE, _CONTAINER)
    check_may_use(1000, _CONTAINER)
    check_may_use(0, _CONTAINER)


def test_others() -> None:
    """Nobody else may."""
    with pytest.raises(NotAuthorized, match="belongs to another user"):
        check_may_use(1001, _CONTAINER)
