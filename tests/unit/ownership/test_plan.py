# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import pytest

from kapsule.create.instance_config import build_devices, keys_to_store
from kapsule.create.mounts import Mount
from kapsule.host.facts import HostFacts
from kapsule.incus.types import InstanceUpdate
from kapsule.options.parse import merge_options
from kapsule.options.table import CREATE_OPTIONS
from kapsule.ownership.plan import given_to, lost
from kapsule.testing.users import ALICE

BOB = replace(ALICE, uid=1001, gid=100, name="bob", home="/home/bob")
MAPPED = "user.kapsule.host-users.{}.mapped"


def made(**chosen: object) -> InstanceUpdate:
    """Return a container of Alice's as creating it makes it, on a machine with a GPU."""
    options = merge_options(CREATE_OPTIONS, {}, chosen)  # type: ignore[arg-type]  # of the table
    mounts = [Mount(path, path) for path in ("/srv/a", "/home/alice/b")]
    home = Mount("/home/alice", "/home/alice") if options["mount_home"] else None
    facts = HostFacts(has_gpu=True, closed_nodes=("/dev/fuse",))
    devices = build_devices(options, ALICE, facts, "default", home, mounts)
    config = keys_to_store(options, ALICE) | {
        "user.kapsule.setup-state": "done",
        MAPPED.format(1000): "true",
        MAPPED.format(1002): "true",
        "security.privileged": "true",
        "volatile.uuid": "1-2-3",
    }
    return InstanceUpdate(config=config, devices=devices, description="a", profiles=("p",))


def test_what_was_the_old_owners_is_taken_out() -> None:
    """Home, custom mounts and account; the GPU's nodes become the new owner's."""
    before = made(custom_mounts=("/srv/a", "~/b:ro"))
    after = given_to(before, BOB)
    assert set(before.devices) - set(after.devices) == {
        "kapsule-home-alice",
        "kapsule-mount-srv-a",
        "kapsule-mount-home-alice-b",
    }
    assert after.devices["gpu"] == {"type": "gpu", "uid": "1001", "mode": "0660"}
    assert after.config["user.kapsule.owner"] == "1001"
    assert after.config["user.kapsule.mount-home"] == "false"
    assert "user.kapsule.custom-mounts" not in after.config
    assert MAPPED.format(1000) not in after.config
    assert "1000" not in str(after)
    assert "alice" not in str(after)


def test_what_the_paths_led_to_is_forgotten() -> None:
    """Where the old owner's paths led is nothing that the new one sees, or gets."""
    before = made(custom_mounts=("~/b",))
    sources = {"user.kapsule.sources": '{"/home/alice/b": "/srv/secret-of-alice"}'}
    after = given_to(before.changed({**before.config, **sources}, before.devices), BOB)
    assert "secret-of-alice" not in str(after)


def test_everything_else_stays() -> None:
    """Root disk, nodes, other keys and other accounts are as they were."""
    before = made()
    after = given_to(before, BOB)
    for name in ("root", "hostfs", "kapsule-fuse"):
        assert after.devices[name] == before.devices[name]
    for key in ("volatile.uuid", "security.privileged", "user.kapsule.host-rootfs"):
        assert after.config[key] == before.config[key]
    assert after.config[MAPPED.format(1002)] == "true"
    assert (after.description, after.profiles) == ("a", ("p",))


def test_a_home_of_its_own_stays_behind() -> None:
    """A directory that stood for the home is the old owner's."""
    before = made(home="~/boxes", mount_home=False)
    assert lost(before)[0] == "~/boxes"
    assert "user.kapsule.home" not in given_to(before, BOB).config


def test_what_is_lost_is_said() -> None:
    """By the names that the old owner gave it."""
    assert lost(made(custom_mounts=("/srv/a",))) == ["the home directory", "/srv/a"]
    assert lost(made(mount_home=False)) == []


def test_to_the_same_owner() -> None:
    """Nothing changes."""
    assert given_to(made(), ALICE) == made()


@pytest.mark.parametrize(
    ("uid", "gid", "expected"),
    [(1001, 100, "uid 1001 1001\ngid 100 100"), (1001, 0, "uid 1001 1001"), (0, 0, None)],
)
@pytest.mark.parametrize("ids", [{"raw.idmap": "uid 1000 1000\ngid 1000 1000"}, {}])
def test_ids_that_are_the_same_inside(
    ids: dict[str, str], uid: int, gid: int, expected: str | None
) -> None:
    """A user namespace knows the new owner's ids, also if it knew none: root's, which never are."""
    before = made()
    isolated = {**before.config, "security.privileged": "false", **ids}
    after = given_to(before.changed(isolated, before.devices), replace(BOB, uid=uid, gid=gid))
    assert after.config.get("raw.idmap") == expected


def test_without_a_user_namespace_there_is_no_map() -> None:
    """None is made up."""
    assert "raw.idmap" not in given_to(made(), BOB).config


def test_a_container_that_somebody_has_tampered_with() -> None:
    """Lists that are none, and devices that lack everything, are no reason to fail."""
    config = {"user.kapsule.owner": "1000", "user.kapsule.custom-mounts": "{"}
    odd = InstanceUpdate(config=config, devices={"gpu": {}, "kapsule-mount-x": {}})
    assert lost(odd) == []
    assert given_to(odd, BOB).devices == {"gpu": {"uid": "1001"}}
