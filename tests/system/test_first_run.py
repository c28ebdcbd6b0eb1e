# SPDX-License-Identifier: GPL-3.0-or-later
"""`make run` where there is no container yet: which image is taken, and for whom."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.support.box import configured, default_container
from tests.system.support.checkout import Checkout, copy_to
from tests.system.support.users import User, incus

ALIAS = "debian"
CONFIGURED = "images:ubuntu/24.04"


@pytest.fixture
def checkout() -> Iterator[Checkout]:
    """A checkout that everybody can read, on a machine without a network."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        checkout = copy_to(Path(folder, "kapsule"))
        checkout.replace("scripts/packages")
        checkout.replace("images/debian/build", "echo /src/build/image")
        yield checkout
        assert checkout.make("stop").code == 0


@pytest.fixture
def _alias_of_tests() -> Iterator[None]:
    """The image that tests call debian is the one of this name again at the end."""
    before = _fingerprint(ALIAS)
    incus("image", "alias", "create", "kept", before)  # an image without a name is thrown away
    yield
    if _fingerprint(ALIAS) != before:
        incus("image", "delete", ALIAS)
        incus("image", "alias", "create", ALIAS, before)
    incus("image", "alias", "delete", "kept")


def _fingerprint(alias: str) -> str:
    return incus("image", "info", alias).partition("Fingerprint: ")[2].split()[0]


@pytest.mark.usefixtures("_alias_of_tests")
def test_an_image_that_cannot_be_reached(checkout: Checkout, alice: User, fresh_name: str) -> None:
    """One that is built here is taken and it says why; the container is that of who called sudo."""
    incus("image", "alias", "delete", ALIAS)
    names = f"[kapsule]\ndefault_container = {fresh_name}\ndefault_image = {CONFIGURED}\n"
    sudo = {"SUDO_USER": alice.name, "SUDO_GID": str(alice.account.pw_gid)}
    with configured(alice, names):
        run = checkout.make("run", "CMD=id -un; hostname; echo $HOME", env=sudo)
    assert run.code == 0, run.error
    assert run.text.split() == [alice.name, fresh_name, alice.account.pw_dir]
    assert f"The configured image is {CONFIGURED}, but https://" in run.error
    assert "cannot be reached:" in run.error
    assert "Taking local:debian instead, which is built here." in run.error
    assert _fingerprint(ALIAS) != _fingerprint("kept")
    image = incus("config", "get", fresh_name, "volatile.base_image").strip()
    assert image == _fingerprint(ALIAS)


@pytest.mark.usefixtures("_alias_of_tests")
def test_somebody_elses_image_of_that_name(alice: User) -> None:
    """It is not thrown away, and one hears what to do; an older one of ours is replaced."""
    before = _fingerprint(ALIAS)
    words = ("/src/images/import", "/src/build/image", ALIAS)
    refused = User("root").run(*words)
    assert refused.code == 1
    assert "incus image alias rename debian NAME" in refused.error
    assert _fingerprint(ALIAS) == before
    incus("image", "set-property", ALIAS, "builder", "kapsule")
    assert User("root").run(*words).code == 0
    assert _fingerprint(ALIAS) != before


def test_an_image_that_is_there(checkout: Checkout, bob: User, fresh_name: str) -> None:
    """The configured one is taken, and it says so."""
    with default_container(bob, fresh_name, "local:busybox"):
        told = bob.run(str(checkout.folder / "scripts/default-container"))
    assert told.text == f"{fresh_name} local:busybox"
    assert told.error == "Taking the configured image, local:busybox\n"
