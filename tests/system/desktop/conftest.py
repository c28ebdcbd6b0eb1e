# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with a desktop, and the containers that share it."""

from collections.abc import Iterator

import pytest

from tests.system.desktop.desktop import Desktop, logged_in
from tests.system.desktop.guest import Guest
from tests.system.support.users import User


@pytest.fixture(scope="package")
def desktop(alice: User) -> Iterator[Desktop]:
    """The desktop that alice is logged in to."""
    with logged_in(alice) as desktop:
        yield desktop


@pytest.fixture(scope="package", params=["defaults", "no-host-rootfs"])
def guest(request: pytest.FixtureRequest, desktop: Desktop) -> Iterator[Guest]:
    """A running container that tests share, with the host's file system and without."""
    guest = Guest(f"desktop-{request.param}", desktop)
    guest.create(*(["--no-host-rootfs"] if request.param == "no-host-rootfs" else []))
    yield guest
    guest.delete()


@pytest.fixture
def new_guest(guest: Guest, fresh_name: str) -> Guest:
    """A container like the shared one that nobody has entered yet; made of a smaller image."""
    new = Guest(fresh_name, guest.desktop)
    new.create(*guest.options, image="debian")
    return new
