# SPDX-License-Identifier: GPL-3.0-or-later
"""What the levels of trust are, seen from inside, and the way from one to another."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.support.users import Result, User, incus
from tests.system.trust.guest import id_map, sh

LEVELS = ("full", "home", "project", "sealed")
ISOLATED = ("project", "sealed")
MARK = "made at the first level"


def _create(user: User, name: str, *words: str) -> Result:
    result = user.kapsule("create", name, "--image", "local:debian", *words)
    assert result.code == 0, result.error
    return result


def _trust(user: User, name: str, level: str, *words: str) -> Result:
    result = user.kapsule("trust", name, level, *words)
    assert result.code == 0, result.error
    return result


def _report(user: User, name: str) -> dict[str, object]:
    report: dict[str, object] = json.loads(user.kapsule("trust", name, "--json").out)
    return report


@pytest.fixture
def file_at_home(alice: User) -> Iterator[Path]:
    """A file in alice's home on the host."""
    file = Path(alice.account.pw_dir) / "on-the-host"
    file.write_text("host\n")
    os.chown(file, alice.account.pw_uid, alice.account.pw_gid)
    yield file
    file.unlink()


@pytest.mark.parametrize("level", LEVELS)
def test_who_is_who(alice: User, fresh_name: str, level: str) -> None:
    """At the isolated levels root is nobody on the host, and only the owner is themselves."""
    _create(alice, fresh_name, "--trust", level)
    uid = alice.account.pw_uid
    rows = id_map(fresh_name)
    assert any(first == 0 for _, first, _ in rows) is (level not in ISOLATED)
    (own,) = [
        first + uid - inside for inside, first, count in rows if inside <= uid < inside + count
    ]
    assert own == uid
    assert alice.kapsule("enter", fresh_name, "--", "id", "-un").text == "alice"
    assert alice.kapsule("enter", fresh_name, "--", "sudo", "id", "-u").text == "0"


@pytest.mark.parametrize("level", LEVELS)
def test_what_is_seen(alice: User, fresh_name: str, file_at_home: Path, level: str) -> None:
    """The home and the file system of the host are where the level has them, and nowhere else."""
    _create(alice, fresh_name, "--trust", level)
    seen = alice.kapsule("enter", fresh_name, "--", "cat", str(file_at_home))
    assert (seen.text == "host") is (level not in ISOLATED)
    host = sh(fresh_name, "ls /.kapsule/host").stdout.split()
    assert ("etc" in host) is (level == "full")


def test_two_isolated_containers_are_strangers(sealed: str, neighbour: str) -> None:
    """Their ids do not overlap, but for their owner's."""
    first, second = ({row[1] for row in id_map(name) if row[2] > 1} for name in (sealed, neighbour))
    assert not first & second


def test_there_and_back(alice: User, fresh_name: str, file_at_home: Path) -> None:
    """Through every level and back: the files in the container keep their owners, and it works."""
    _create(alice, fresh_name, "--trust", "full")
    sh(fresh_name, f"echo {MARK} > /srv/mark; chown 1000:1000 /srv/mark; echo r > /srv/root")
    for level in ("sealed", "project", "home", "full"):
        result = _trust(alice, fresh_name, level, "--yes")
        assert "Restarting" in result.error
        shown = sh(fresh_name, "stat -c %u:%g /srv/mark /srv/root; cat /srv/mark").stdout.split(
            "\n"
        )
        assert shown[:3] == ["1000:1000", "0:0", MARK]
        assert alice.kapsule("enter", fresh_name, "--", "id", "-un").text == "alice"
        seen = alice.kapsule("enter", fresh_name, "--", "cat", str(file_at_home))
        assert (seen.text == "host") is (level not in ISOLATED)
        report = _report(alice, fresh_name)
        assert (report["trust"], report["isolated"]) == (level, level in ISOLATED)
        assert report["dials"] == []
    assert "/.kapsule/host" in sh(fresh_name, "cat /proc/self/mountinfo").stdout


def test_one_that_runs_is_not_restarted_unasked(alice: User, fresh_name: str) -> None:
    """Without a terminal nobody can be asked, so nothing is changed; the hint says how."""
    _create(alice, fresh_name, "--trust", "project")
    refused = alice.kapsule("trust", fresh_name, "sealed")
    assert refused.code == 1
    assert "has to be restarted" in refused.error
    assert "--yes" in refused.error
    assert _report(alice, fresh_name)["trust"] == "project"


def test_a_stopped_one_stays_stopped(alice: User, fresh_name: str) -> None:
    """Nothing has to be asked, and it counts from the next start on."""
    _create(alice, fresh_name, "--trust", "project")
    assert alice.kapsule("stop", "--force", fresh_name).code == 0
    _trust(alice, fresh_name, "full")
    assert "Stopped" in alice.kapsule("list").text
    assert alice.kapsule("enter", fresh_name, "--", "sh", "-c", "cat /proc/self/uid_map").text


def test_a_change_that_fails(alice: User, traceless: str) -> None:
    """A guard of the host that cannot be set is no reason to leave anything half-changed."""
    _create(alice, traceless, "--trust", "full")
    before = incus("config", "show", traceless)
    nft = shutil.which("nft")
    assert nft
    os.rename(nft, nft + ".away")
    try:
        refused = alice.kapsule("trust", traceless, "sealed", "--yes")
    finally:
        os.rename(nft + ".away", nft)
    assert refused.code == 1
    assert "nft" in refused.error
    assert incus("config", "show", traceless) == before
    assert alice.kapsule("enter", traceless, "--", "true").code == 0
    assert alice.kapsule("rm", "--force", traceless).code == 0


def test_a_start_that_fails_puts_the_level_back(alice: User, traceless: str) -> None:
    """Stopped, changed, not started: it is changed back and runs again."""
    _create(alice, traceless, "--trust", "full")
    # Twice as many ids as there are: only when it starts, Incus sees that they cannot be had.
    before = json.loads(incus("query", f"/1.0/instances/{traceless}"))
    subuid = Path("/etc/subuid")
    kept = subuid.read_text()
    subuid.write_text("root:3000000000:65536\n")
    try:
        failed = alice.kapsule("trust", traceless, "sealed", "--yes")
    finally:
        subuid.write_text(kept)
    assert failed.code == 1, failed.error
    after = json.loads(incus("query", f"/1.0/instances/{traceless}"))
    assert after["status"] == "Running"
    assert after["devices"] == before["devices"]
    for key in ("security.privileged", "raw.lxc", "user.kapsule.trust"):
        assert after["config"].get(key) == before["config"].get(key)
    assert alice.kapsule("enter", traceless, "--", "true").code == 0
    assert alice.kapsule("rm", "--force", traceless).code == 0


@pytest.mark.parametrize("level", LEVELS)
def test_the_report_is_the_truth(alice: User, fresh_name: str, level: str) -> None:
    """What it says of directories, networks and ids is what the kernel says."""
    _create(alice, fresh_name, "--trust", level)
    crossings = _report(alice, fresh_name)["crossings"]
    assert isinstance(crossings, list)
    mounts = {each["what"] for each in crossings if each["kind"] == "mount"}
    init = Path(f"/proc/{json.loads(incus('query', f'/1.0/instances/{fresh_name}/state'))['pid']}")
    points = {line.split()[4] for line in (init / "mountinfo").read_text().splitlines()}
    assert ("/" in mounts) is ("/.kapsule/host" in points)
    assert (alice.account.pw_dir in mounts) is (alice.account.pw_dir in points)
    own_network = not os.path.samefile(init / "ns/net", "/proc/self/ns/net")
    networks = [each["what"] for each in crossings if each["kind"] == "network"]
    assert networks == (["a bridge"] if own_network else ["the host's"])
    capabilities = next(each["what"] for each in crossings if each["kind"] == "capability")
    (bounding,) = re.findall(r"CapBnd:\s*(\w+)", (init / "status").read_text())
    assert ("sys_module" in capabilities) is not bool(int(bounding, 16) >> 16 & 1)


def test_help_names_the_levels(alice: User) -> None:
    """Nobody has to look them up."""
    text = alice.kapsule("trust", "--help").text
    assert all(level in text for level in LEVELS)


@pytest.mark.parametrize("words", [("nowhere",), ("nowhere", "sealed"), ("nowhere", "half")])
def test_bad_words(alice: User, words: tuple[str, ...]) -> None:
    """A container or a level that does not exist is told as such."""
    result = alice.kapsule("trust", *words)
    assert result.code == (2 if "half" in words else 1)
    assert "half" in result.error or "does not exist" in result.error
