# SPDX-License-Identifier: GPL-3.0-or-later
"""The root file system of the box: a Debian host with systemd, polkit, logind, users and Incus."""

from __future__ import annotations

from pathlib import Path

from . import cache, debian

SUITES = ("bookworm", "trixie")
CUSTOMIZE = Path(__file__).parents[1] / "customize"

PACKAGES = (
    # the system
    *("systemd", "systemd-sysv", "systemd-container", "libnss-systemd", "libpam-systemd"),
    *("dbus", "dbus-user-session", "polkitd", "pkexec", "sudo", "login", "passwd", "tzdata"),
    *("ca-certificates", "kmod", "iproute2", "procps", "util-linux", "mount", "less", "make"),
    # Incus, without virtual machines
    *("incus-base", "incus-client", "incus-extra", "dnsmasq-base", "nftables", "uidmap"),
    *("attr", "acl", "btrfs-progs", "squashfs-tools", "xz-utils"),
    # what the product and its tests run
    *("python3", "tmux", "vim-tiny", "busybox-static", "libcap2-bin"),
    # the desktop that containers share
    *("weston", "wayland-utils", "xvfb", "x11-utils", "pulseaudio"),
    *("pipewire", "wireplumber", "xdg-dbus-proxy"),
    *("gpg", "gpg-agent", "openssh-client"),
)

# From backports, whatever version the suite itself has.
PIN_INCUS = (
    'mkdir -p "$1"/etc/apt/preferences.d && '
    r"printf 'Package: incus incus-* liblxc* lxcfs\nPin: release n=*-backports\n'"
    r"'Pin-Priority: 990\n' "
    '> "$1"/etc/apt/preferences.d/incus'
)


def rootfs(suite: str) -> Path:
    """Return a folder with the root file system of a box, before Incus was ever started in it."""

    def build(target: Path) -> None:
        debian.bootstrap(
            target,
            suite,
            PACKAGES,
            f"--setup-hook={PIN_INCUS}",
            f"--customize-hook={CUSTOMIZE}",
        )

    inputs = (Path(__file__), Path(debian.__file__), CUSTOMIZE)
    return cache.cached(f"rootfs-{suite}", build, *inputs)
