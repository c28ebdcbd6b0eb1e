# SPDX-License-Identifier: GPL-3.0-or-later
"""The images that the Incus in the box launches from, made by the scripts in ``guests/``."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

from . import cache, debian

SCRIPTS = Path(__file__).parents[1] / "guests"
NAMES = ("debian", "desktop", "docker", "ubuntu-like", "busybox", "noshell", "hung")
DEBIAN_PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "dbus-user-session", "libpam-systemd", "sudo", "locales"),
    *("iproute2", "procps", "bash", "login", "passwd", "util-linux", "tmux", "vim-tiny"),
    *("udev", "iputils-ping"),
)
# Programs that use what the host shares, and containers in the container.
DESKTOP_PACKAGES = (
    *("wayland-utils", "x11-utils", "fontconfig", "pulseaudio-utils", "pipewire-bin"),
    *("gpg", "gpg-agent", "openssh-client", "dbus-bin", "netcat-openbsd"),
    *("podman", "crun", "uidmap", "fuse-overlayfs", "slirp4netns", "passt", "nftables"),
)
DOCKER_PACKAGES = ("docker.io", "iptables")
# One that draws, needs no input device and no other library; the rest of its package is large.
WAYLAND_CLIENT = "usr/bin/weston-simple-shm"
COMPILER_SUITE = "bookworm"


def images(suite: str, host: Path) -> Path:
    """Return a folder with ``NAME.meta.tar`` and ``NAME.rootfs.tar`` of each guest in ``NAMES``.

    ``suite`` is the Debian release of the Debian guests, and ``host`` the root file system of a
    box, whose BusyBox the small guests get.
    """

    def build(folder: Path) -> None:
        tree = folder / "tree"
        tree.mkdir()
        hook = f"--customize-hook={SCRIPTS / 'debian'}"
        debian.bootstrap(tree, suite, (*DEBIAN_PACKAGES, *DESKTOP_PACKAGES), hook)
        shutil.copy(host / WAYLAND_CLIENT, tree / WAYLAND_CLIENT)
        _pack(folder, "desktop", tree)
        cache.remove_tree(tree)
        tree.mkdir()
        debian.bootstrap(tree, suite, (*DEBIAN_PACKAGES, *DOCKER_PACKAGES), hook)
        _pack(folder, "docker", tree)
        cache.remove_tree(tree)
        tree.mkdir()
        debian.bootstrap(tree, suite, DEBIAN_PACKAGES, hook)
        _pack(folder, "debian", tree)
        _run_script("ubuntu-like", tree)
        _pack(folder, "ubuntu-like", tree)
        tools = {"BUSYBOX": f"{host}/bin/busybox", "ACCOUNT_TOOLS": str(_account_tools())}
        for name in ("busybox", "noshell", "hung"):
            cache.remove_tree(tree)
            tree.mkdir(mode=0o755)
            _run_script(name, tree, tools)
            _pack(folder, name, tree)
        cache.remove_tree(tree)

    inputs = (host.name, SCRIPTS, Path(__file__), Path(debian.__file__))
    return cache.cached(f"guests-{suite}", build, *inputs)


def _account_tools() -> Path:
    """Return the path of a static BusyBox that has adduser and its like."""
    script = SCRIPTS / "account-tools"

    def build(folder: Path) -> None:
        tree = folder / "tree"
        packages = ("gcc", "libc6-dev", "make", "dpkg-dev")
        hook = f"--customize-hook={script}"
        debian.bootstrap(tree, COMPILER_SUITE, packages, hook, kinds=("deb", "deb-src"))
        (tree / "busybox-accounts").rename(folder / "busybox-accounts")
        cache.remove_tree(tree)

    folder = cache.cached("account-tools", build, script, Path(debian.__file__))
    return folder / "busybox-accounts"


def _run_script(name: str, tree: Path, environment: dict[str, str] | None = None) -> None:
    subprocess.run([SCRIPTS / name, tree], check=True, env={**os.environ, **(environment or {})})


def _pack(folder: Path, name: str, tree: Path) -> None:
    """Write the two tar files of an Incus "split" image; metadata: Incus doc, "Image format"."""
    (folder / "metadata.yaml").write_text(
        f"architecture: {platform.machine()}\n"
        "creation_date: 1700000000\n"
        f"properties: {{os: {name}, description: the {name} guest of the test box}}\n"
    )
    _tar(folder / f"{name}.meta.tar", folder, "metadata.yaml")
    _tar(folder / f"{name}.rootfs.tar", tree, ".")
    (folder / "metadata.yaml").unlink()


def _tar(archive: Path, folder: Path, member: str) -> None:
    options = ["--numeric-owner", "--xattrs", "--xattrs-include=*", "--acls"]
    subprocess.run(["tar", "-C", folder, *options, "-cf", archive, member], check=True)
