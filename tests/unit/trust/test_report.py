# SPDX-License-Identifier: GPL-3.0-or-later
import json
from collections.abc import Mapping

import pytest

from kapsule.containers.container import Container
from kapsule.create.instance_config import build_config, build_devices, keys_to_store
from kapsule.create.mounts import Mount
from kapsule.host.facts import HostFacts
from kapsule.options.parse import merge_options
from kapsule.options.schema import OptionValue
from kapsule.options.table import CREATE_OPTIONS
from kapsule.testing.users import ALICE
from kapsule.trust.report import TrustReport, make_report

FACTS = HostFacts(has_gpu=True)
ALL = (1 << 41) - 1
MAP = json.dumps(
    [
        {"Isuid": True, "Isgid": False, "Hostid": 1000000, "Nsid": 0, "Maprange": 1000},
        {"Isuid": True, "Isgid": False, "Hostid": 1000, "Nsid": 1000, "Maprange": 1},
    ]
)


def _report(
    level: str,
    extra: Mapping[str, Mapping[str, str]] | None = None,
    bounding: int | None = ALL,
    **values: OptionValue,
) -> TrustReport:
    options = merge_options(CREATE_OPTIONS, {}, {"trust": level, **values})
    config = build_config(options, ALICE, "x") | keys_to_store(options, ALICE)
    home = Mount("/home/alice", "/home/alice") if options["mount_home"] else None
    devices = build_devices(options, ALICE, FACTS, "pool", home, ())
    container = Container("dev", "Running", 1000, "x", "", config | {"volatile.idmap.current": MAP})
    return make_report(container, {**devices, **(extra or {})}, bounding)


def _of(report: TrustReport, kind: str) -> dict[str, str]:
    return {each.what: each.access for each in report.crossings if each.kind == kind}


def test_full_trust_says_so() -> None:
    """Nobody can take it for a border."""
    report = _report("full")
    assert not report.isolated
    assert "no border" in report.summary
    assert _of(report, "identity") == {"root and all users": "the same"}
    assert _of(report, "mount") == {"/": "read and write", "/home/alice": "read and write"}
    assert "session bus" in _of(report, "socket")
    assert _of(report, "network") == {"the host's": "all of it"}
    assert _of(report, "device") == {"graphics": "use"}


def test_sealed_shares_nothing() -> None:
    """Only its own network is left, and who is who."""
    report = _report("sealed")
    assert report.isolated
    assert {each.kind for each in report.crossings} == {"identity", "capability", "network"}
    assert _of(report, "identity") == {
        "root": "uid 1000000 on the host",
        "uid 1000": "the same",
        "all others": "ids of its own",
    }
    assert ("uid", 0, 1000000, 1000) in report.id_map


def test_sealed_without_a_network() -> None:
    """Then no network crosses at all."""
    assert not _of(_report("sealed", network="none"), "network")


def test_folders_of_an_isolated_container() -> None:
    """They are no devices, and are told all the same."""
    report = _report("project", custom_mounts=("~/src:ro", "/srv/x"), mount_home=True)
    assert _of(report, "mount") == {
        "~": "read and write",
        "~/src": "read",
        "/srv/x": "read and write",
    }


@pytest.mark.parametrize(("level", "shares"), [("project", False), ("home", True)])
def test_agents(level: str, shares: bool) -> None:
    """An isolated container gets windows, but nobody's keys, and no sound server."""
    report = _report(level)
    assert ("PipeWire and PulseAudio" in _of(report, "socket")) is shares
    assert "Wayland" in _of(report, "socket")
    assert ("SSH agent" in _of(report, "socket")) is shares


def test_what_others_added_is_told() -> None:
    """Somebody may have opened a door of Incus's own."""
    extra = {
        "web": {"type": "proxy", "listen": "tcp:127.0.0.1:80"},
        "lan": {"type": "nic", "parent": "eth7", "nictype": "macvlan"},
        "etc": {"type": "disk", "source": "/etc", "path": "/x", "readonly": "true"},
        "key": {"type": "unix-char", "path": "/dev/ttyUSB0"},
    }
    report = _report("sealed", extra)
    assert _of(report, "other") == {"web": "proxy"}
    assert "eth7" in _of(report, "network")
    assert _of(report, "mount") == {"/etc": "read"}
    assert _of(report, "device") == {"/dev/ttyUSB0": "0660"}


@pytest.mark.parametrize(
    ("bounding", "what"),
    [
        (ALL, "all"),
        (ALL & ~(1 << 16), "all but sys_module"),
        (None, "unknown, because it does not run"),
    ],
)
def test_capabilities(bounding: int | None, what: str) -> None:
    """What root lacks is named."""
    assert list(_of(_report("full", bounding=bounding), "capability")) == [what]


def test_dials_beside_the_level() -> None:
    """What was set otherwise than the level has it stands beside it."""
    assert _report("full").dials == []
    assert _report("sealed", gpu=True, network="none").dials == ["--network none", "--gpu"]
    folders = _report("sealed", custom_mounts=("~/a", "/b:ro"))
    assert folders.dials == ["--custom-mounts ~/a", "--custom-mounts /b:ro"]


def test_a_level_that_is_a_lie() -> None:
    """Who took the user namespace away with Incus is not told that there is one."""
    container = Container(
        "dev",
        "Running",
        1000,
        "x",
        "",
        {
            "security.privileged": "true",
            "user.kapsule.trust": "sealed",
            "user.kapsule.privileged": "false",
        },
    )
    report = make_report(container, {}, None)
    assert not report.isolated
    assert "no border" in report.summary
    assert "--privileged" in report.dials


def test_json() -> None:
    """What the bus carries has every field."""
    document = json.loads(_report("project").to_json())
    assert set(document) == {
        *("name", "trust", "dials", "isolated", "summary", "id_map", "crossings"),
    }
    assert all(set(each) == {"kind", "what", "access", "meaning"} for each in document["crossings"])


@pytest.mark.parametrize(
    "text", ["", "[", "{}", "[1]", '[{"Isuid": true}]', "null", '[{"Isuid": 1}]']
)
def test_an_id_map_that_makes_no_sense(text: str) -> None:
    """Then it is still said that root is nobody."""
    container = Container("dev", "Running", 1000, "x", "", {"volatile.idmap.current": text})
    report = make_report(container, {}, None)
    assert report.id_map == ()
    assert _of(report, "identity")["root"] == "an id of its own"
