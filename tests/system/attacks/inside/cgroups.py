# SPDX-License-Identifier: GPL-3.0-or-later
"""Control groups, ours and those above."""

import contextlib
import os
from pathlib import Path

from . import calls

ROOT = "/sys/fs/cgroup"


def all_groups(private_root: str = "/mnt") -> list[str]:
    """Mount the control groups anew, and return what is seen at their root."""
    calls.mount("cgroup2", private_root, "cgroup2")
    return sorted(os.listdir(private_root))


def move(pid: int) -> str:
    """Move a process into a control group of our own, and back; return where it was then."""
    group = Path(ROOT, "attack")
    group.mkdir(exist_ok=True)
    before = Path(f"/proc/{pid}/cgroup")
    home = before.read_text().split(":")[-1].strip() if before.exists() else ""
    try:
        (group / "cgroup.procs").write_text(str(pid))
        return before.read_text()
    finally:
        if home:
            with contextlib.suppress(OSError):
                Path(ROOT + home, "cgroup.procs").write_text(str(pid))
        with contextlib.suppress(OSError):
            group.rmdir()


def loosen(file: str) -> str:
    """Write back what limits the whole container."""
    path = Path(ROOT, file)
    text = path.read_text()
    path.write_text(text)
    return text


def old_hierarchy() -> str:
    """Mount a hierarchy of version 1, whose release agent is run by the host: CVE-2022-0492."""
    reason = OSError("none can be mounted")
    for controller in ("rdma", "misc", "net_cls", "memory", "pids", "cpuset", "freezer"):
        try:
            calls.mount("cgroup", "/mnt", "cgroup", 0, controller)
        except OSError as error:
            reason = error
            continue
        try:
            agent = Path("/mnt/release_agent")
            agent.write_text(agent.read_text())
            return controller
        except OSError as error:
            reason = error
        finally:
            calls.unmount("/mnt")
    raise reason
