# SPDX-License-Identifier: GPL-3.0-or-later
import json

from kapsule import names
from kapsule.create.instance_config import build_config, build_devices, keys_to_store
from kapsule.create.mounts import Mount
from kapsule.host.facts import HostFacts
from kapsule.incus.types import InstanceUpdate
from kapsule.options.parse import merge_options
from kapsule.options.schema import OptionValue
from kapsule.options.table import CREATE_OPTIONS
from kapsule.testing.users import ALICE
from kapsule.trust.rebuild import rebuilt

FACTS = HostFacts(has_gpu=True, closed_nodes=("/dev/fuse",))
HOME = Mount("/home/alice", "/home/alice")
MOUNT = Mount("/srv/x", "/srv/x")
LINE = "lxc.net.0.type=none"
FOREIGN = {"type": "usb", "vendorid": "1234"}


def _options(level: str) -> dict[str, OptionValue]:
    return merge_options(CREATE_OPTIONS, {}, {"trust": level})


def _made(level: str) -> InstanceUpdate:
    options = _options(level)
    config = build_config(options, ALICE, LINE) | keys_to_store(options, ALICE)
    home = HOME if options["mount_home"] else None
    devices = build_devices(options, ALICE, FACTS, "pool", home, [MOUNT])
    return InstanceUpdate(config=config | {"user.kapsule.setup-state": "done"}, devices=devices)


def _rebuilt(made: InstanceUpdate, level: str) -> InstanceUpdate:
    options = _options(level)
    home = HOME if options["mount_home"] else None
    return rebuilt(made, options, ALICE, FACTS, home, [MOUNT], LINE)


def test_it_becomes_what_it_would_have_been() -> None:
    """Between any two levels, nothing of the former one stays."""
    for before in ("full", "home", "project", "sealed"):
        for after in ("full", "home", "project", "sealed"):
            assert _rebuilt(_made(before), after) == _made(after)


def test_what_others_added_stays() -> None:
    """Limits, notes of Incus and devices of an administrator are not ours."""
    made = _made("full")
    extra = {"limits.cpu": "1", "volatile.uuid": "x", "user.mine": "y"}
    made = made.changed({**made.config, **extra}, {**made.devices, "key": FOREIGN})
    after = _rebuilt(made, "sealed")
    assert extra.items() <= after.config.items()
    assert after.devices["key"] == FOREIGN


def test_the_root_disk_stays_as_it_is() -> None:
    """Somebody may have given it a size."""
    made = _made("full")
    disk = {"type": "disk", "path": "/", "pool": "other", "size": "5GiB"}
    after = _rebuilt(made.changed(made.config, {**made.devices, "root": disk}), "project")
    assert after.devices["root"] == disk


def test_accounts_are_set_up_anew() -> None:
    """The next enter gives each user the home and the services of the new level."""
    made = _made("full")
    marks = {f"user.kapsule.host-users.{uid}.mapped": "true" for uid in (1000, 0, 65534)}
    after = _rebuilt(made.changed({**made.config, **marks}, made.devices), "sealed")
    assert not marks.keys() & after.config.keys()


def test_what_paths_lead_to_is_kept_for_isolated_containers() -> None:
    """Incus has it in its devices; where we mount, the configuration says it."""
    linked = Mount("/home/alice/work", "/data/work")
    options = _options("project")
    after = rebuilt(_made("full"), options, ALICE, FACTS, None, iter([linked]), LINE)
    assert json.loads(after.config[names.KEY_SOURCES]) == {linked.path: linked.source}
    assert names.KEY_SOURCES not in _rebuilt(after, "full").config
