# SPDX-License-Identifier: GPL-3.0-or-later
from collections.abc import Iterator

import pytest

from tests.system.support.users import User, incus


@pytest.fixture(scope="package")
def sealed(alice: User) -> Iterator[str]:
    """A sealed container that tests share; they leave it as they found it."""
    yield from _made(alice, "sealed-box", "sealed")


@pytest.fixture(scope="package")
def neighbour(alice: User) -> Iterator[str]:
    """Another one of the same owner."""
    yield from _made(alice, "sealed-neighbour", "sealed")


def _made(user: User, name: str, level: str) -> Iterator[str]:
    result = user.kapsule("create", name, "--image", "local:debian", "--trust", level)
    assert result.code == 0, result.error
    yield name
    incus("delete", "--force", name, check=False)
