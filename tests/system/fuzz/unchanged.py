# SPDX-License-Identifier: GPL-3.0-or-later
"""What nobody's calls may change: all that is not the caller's."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.system.support import traces
from tests.system.support.users import incus

# What of Incus belongs to nobody who calls, or to others.
_COLLECTIONS = (
    *("certificates", "images", "instances", "networks", "profiles", "projects", "storage-pools"),
    *("storage-pools/default/volumes", "network-acls"),
)
# What Incus itself changes when somebody looks or something runs.
_PASSING = ("last_used_at", "used_by", "etag")
_TREES = {"/etc": 9, "/run/kapsule": 2, "/var/lib/incus": 2, "/home": 2, "/root": 2, "/srv": 2}
_SKIPPED = ("/root/.cache", "/root/.config", "/var/lib/incus/database")

State = dict[str, Any]


def take() -> State:
    """Return everything, each under a name."""
    state: State = {f"incus {each}": _incus(each) for each in _COLLECTIONS}
    state["incus"] = json.loads(incus("query", "/1.0"))["config"]
    state |= dict(entry for tree, depth in _TREES.items() for entry in _files(tree, depth))
    state["mounts"] = sorted(_mounts())
    # Incus leaves tables and chains of containers that are gone, without a rule.
    lines = _run("nft", "list", "ruleset").splitlines()
    state["firewall"] = sorted({line.strip() for line in lines if not line.endswith(("{", "}"))})
    state["traces"] = traces.take()._replace(descriptors=[], files=[])
    return state


def differences(before: State, now: State) -> list[str]:
    """Return what is not as it was, in words."""
    return [
        f"{key}: {_difference(before.get(key), now.get(key))}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]


def _difference(before: object, now: object) -> str:
    if isinstance(before, list) and isinstance(now, list):
        gone = [each for each in before if each not in now]
        return f"- {gone!r:.800} + {[each for each in now if each not in before]!r:.800}"
    return f"{before!r:.800} -> {now!r:.800}"


def _incus(collection: str) -> object:
    found = json.loads(incus("query", f"/1.0/{collection}?recursion=1") or "[]")
    if isinstance(found, list):
        kept = [{key: each[key] for key in each if key not in _PASSING} for each in found]
        return sorted(json.dumps(_sorted(each), sort_keys=True) for each in kept)
    return found


def _sorted(value: Any) -> Any:
    """Return the same with each list in order: Incus keeps none."""
    if isinstance(value, dict):
        return {key: _sorted(each) for key, each in value.items()}
    if isinstance(value, list):
        return sorted(map(_sorted, value), key=repr)
    return value


def _files(folder: str, depth: int) -> Iterator[tuple[str, object]]:
    for entry in os.scandir(folder):
        if entry.path in _SKIPPED:
            continue
        about = entry.stat(follow_symlinks=False)
        facts = (oct(about.st_mode), about.st_uid, about.st_gid)
        is_folder = entry.is_dir(follow_symlinks=False)
        yield entry.path, facts if is_folder else (*facts, about.st_size, about.st_mtime_ns)
        if is_folder and depth > 1:
            yield from _files(entry.path, depth - 1)


def _mounts() -> Iterator[str]:
    pids = ["1", *_run("pidof", "incusd").split()]
    for pid in pids:
        for line in Path(f"/proc/{pid}/mountinfo").read_text().splitlines():
            yield " ".join(line.split()[3:5])


def _run(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True).stdout
