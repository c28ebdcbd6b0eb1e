# SPDX-License-Identifier: GPL-3.0-or-later
"""Make Debian root file systems with mmdebstrap from the mirror that this machine uses."""

from __future__ import annotations

import fcntl
import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from . import cache

PARTS = ("", "-updates", "-backports")
ROLLING_NAMES = ("stable", "testing", "unstable", "sid")
# Left out of every system: texts, and 300 MB that drivers of GPUs and video codecs consist of.
LEFT_OUT = (
    *("share/man/*", "share/doc/*", "share/info/*", "share/locale/*"),
    *("lib/*/dri/*", "lib/*/libLLVM*", "lib/*/libgallium*", "lib/*/libz3.*", "lib/*/libmfx*"),
    *("lib/*/libavcodec*", "lib/*/libx265*", "lib/*/libcodec2*", "lib/*/libSvtAv1*"),
    *("lib/*/libaom*", "lib/*/librsvg*"),
)


def bootstrap(
    target: Path, suite: str, packages: Sequence[str], *hooks: str, kinds: Sequence[str] = ("deb",)
) -> None:
    """Fill ``target`` with a minimal Debian of ``suite`` plus ``packages``, backports at hand.

    Each of ``hooks`` is an option for mmdebstrap, such as ``--customize-hook=SCRIPT``; ``kinds``
    are the types of apt sources that hooks can use, of which none is left in the result. Downloads
    are kept in the cache for the next time. Raises CalledProcessError when mmdebstrap fails.
    """
    _need("mmdebstrap")
    uri = mirror()
    archives = cache.root() / "apt" / suite
    archives.mkdir(parents=True, exist_ok=True)
    command = [
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        "--format=directory",
        '--aptopt=Acquire::Check-Valid-Until "false"',
        '--aptopt=Acquire::Languages "none"',
        '--aptopt=APT::Sandbox::User "root"',
        *(f"--dpkgopt=path-exclude=/usr/{pattern}" for pattern in LEFT_OUT),
        "--dpkgopt=path-include=/usr/share/locale/locale.alias",
        "--dpkgopt=force-unsafe-io",
        f"--include={','.join(packages)}",
        "--skip=essential/unlink",
        "--skip=download/empty",
        '--setup-hook=mkdir -p "$1"/var/cache/apt/archives',
        f'--setup-hook=mount --bind "{archives}" "$1"/var/cache/apt/archives',
        *hooks,
        '--customize-hook=umount "$1"/var/cache/apt/archives',
        '--customize-hook=rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/sources.list.d/*',
        suite,
        str(target),
        *(f"{kind} {uri} {suite}{part} main" for kind in kinds for part in PARTS),
    ]
    with open(archives / "in-use", "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def mirror() -> str:
    """Return the URI of the Debian mirror in this machine's apt sources.

    apt itself is asked (``apt-get indextargets``, see apt-get(8)), so every format of its sources
    is understood. Raises SystemExit when there is none.
    """
    codename = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)"],
        check=True,
        capture_output=True,
        text=True,
    )
    for line in targets.stdout.splitlines():
        uri, release, component = line.split(" ", 2)
        if component == "main" and release in (codename, *ROLLING_NAMES):
            return uri.rstrip("/")
    raise SystemExit("box: no Debian mirror in this machine's apt sources")


def _need(program: str) -> None:
    """Install a program from the Debian package of the same name, if it is missing."""
    if shutil.which(program):
        return
    cache.say(f"installing {program}")
    install = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", program]
    if subprocess.run(install, stdout=subprocess.DEVNULL).returncode != 0:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
