# SPDX-License-Identifier: GPL-3.0-or-later
"""Which directories an isolated container shows, by its configuration."""

import json

import pytest

from kapsule import names
from kapsule.create.folders import folders_of, owned_by, plan_of, sources_to_store, without_source
from kapsule.create.mounts import Mount
from kapsule.session.folders import Folder
from kapsule.testing.users import ALICE, user

ISOLATED = {"security.privileged": "false"}


def _config(*mounts: str, **more: str) -> dict[str, str]:
    stored = {names.KEY_CUSTOM_MOUNTS: json.dumps(mounts)} if mounts else {}
    return ISOLATED | stored | more


def test_custom_mounts() -> None:
    """Each under its own path, in order; `~` is the owner's home."""
    assert folders_of(_config("~/b", "/srv/a:ro"), ALICE) == (
        Folder("/home/alice/b", "/home/alice/b"),
        Folder("/srv/a", "/srv/a", read_only=True),
    )


def test_the_home_comes_first() -> None:
    """What is mounted in it comes upon it, so it has to be there."""
    config = _config("~/b") | {names.KEY_MOUNT_HOME: "true"}
    home = Folder("/home/alice", "/home/alice")
    assert folders_of(config, ALICE)[0] == home
    config = _config("~/b") | {names.KEY_HOME: "~/box"}
    assert folders_of(config, ALICE)[0] == Folder("/home/alice/box", "/home/alice")


def test_privileged_containers_have_devices() -> None:
    """Incus mounts for them; we mount nothing."""
    config = _config("~/b") | {"security.privileged": "true", names.KEY_MOUNT_HOME: "true"}
    assert folders_of(config, ALICE) == ()
    assert plan_of(config, ALICE).folders == ()


def test_what_a_path_led_to_is_what_is_shown() -> None:
    """A link that is changed later changes nothing."""
    mounts = (Mount("/home/alice/b", "/data/b"), Mount("/srv/a", "/srv/a"))
    config = _config("~/b", "/srv/a")
    config |= sources_to_store(mounts, config)
    assert folders_of(config, ALICE) == (
        Folder("/data/b", "/home/alice/b"),
        Folder("/srv/a", "/srv/a"),
    )
    assert without_source(config, "/home/alice/b").keys() == config.keys() - {names.KEY_SOURCES}
    assert without_source(config, "/srv/a") == config


def test_nothing_is_stored_for_real_paths() -> None:
    """They are their own sources."""
    assert sources_to_store([Mount("/srv/a", "/srv/a")], ISOLATED) == {}


@pytest.mark.parametrize("stored", ["no JSON", "[]", '{"/srv/a": 7}', "[" * 100_000])
def test_sources_that_make_no_sense(stored: str) -> None:
    """Others may write to the configuration: the path itself counts then."""
    config = _config("/srv/a") | {names.KEY_SOURCES: stored}
    assert folders_of(config, ALICE) == (Folder("/srv/a", "/srv/a"),)


@pytest.mark.parametrize("source", ["/", "/proc/1/root", "/sys"])
def test_sources_that_nobody_may_have(source: str) -> None:
    """They are left out, whoever wrote them there."""
    config = _config("/srv/a") | {names.KEY_SOURCES: json.dumps({"/srv/a": source})}
    assert folders_of(config, ALICE) == ()


def test_places_that_make_no_sense() -> None:
    """A path that no container can share is left out, and the others stay."""
    assert folders_of(_config("relative", "/etc", "/srv/a"), ALICE) == (Folder("/srv/a", "/srv/a"),)


def test_whose_what_is_made_is() -> None:
    """The runtime directory and the home are the user's; nobody owns all of a container."""
    assert owned_by(ALICE) == ("/run/user/1000", "/home/alice")
    assert owned_by(user(name="nobody", uid=65534, home="/")) == ("/run/user/65534",)
