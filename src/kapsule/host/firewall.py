# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep containers behind the bridge off the host's own services: nft(8).

What they send to the host itself, by whichever of its addresses, is refused, but for what the
bridge serves them at its own: addresses and names. So is what the host passes on for an address of
its own, as it does for the published ports of other containers. Beyond the host they may go, but
not back to the bridge: the host would route for them what the bridge does not pass from one to the
other. A table of our own says so; rules of others can only refuse more.
"""

import os
import subprocess
from functools import partial

from kapsule import names
from kapsule.errors import NotSupported
from kapsule.host.patience import run_in_own_thread

_PATIENCE = 10.0  # seconds
_ROOT = 0
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_TABLE = f"inet {names.FIREWALL_TABLE}"
_RULES = f"""\
table {_TABLE}
delete table {_TABLE}
table {_TABLE} {{
    chain input {{
        type filter hook input priority filter; policy accept;
        iifname "{names.BRIDGE}" jump from_containers
    }}
    chain from_containers {{
        ct state established,related accept
        fib daddr . iif type {{ local, broadcast, multicast }} udp dport {{ 53, 67, 547 }} accept
        fib daddr . iif type local tcp dport 53 accept
        icmp type echo-request accept
        meta l4proto 58 accept
        reject
    }}
    chain forward {{
        type filter hook forward priority filter; policy accept;
        iifname "{names.BRIDGE}" oifname "{names.BRIDGE}" drop
        iifname "{names.BRIDGE}" ct direction original ct status dnat reject
    }}
}}
"""


async def guard_host() -> None:
    """Set the rules; they stay until the host is shut down. Setting them twice changes nothing.

    Raises NotSupported when they cannot be set.
    """
    complaint = await _run_nft(_RULES)
    if complaint:
        raise NotSupported(
            f"The host's services cannot be kept from containers behind a bridge: {complaint}",
            hint="Install nftables, or choose `--network none`",
        )


async def is_guarding() -> bool:
    """Whether our table is there."""
    return not await _run_nft(f"list table {_TABLE}\n")


def has_bridge(incus_directory: str) -> bool:
    """Whether Incus has the bridge, and starts it by itself. incus_directory: of its data."""
    return os.path.isdir(os.path.join(incus_directory, "networks", names.BRIDGE))


async def _run_nft(commands: str) -> str:
    """Return what is wrong, "" when nothing is.

    In a thread: what callers sent us is closed before a program begins, and their file systems can
    make that last (daemon/closing.py). Starting one waits for it.
    """
    try:
        done = await run_in_own_thread(_ROOT, partial(_nft, commands), _PATIENCE)
    except subprocess.TimeoutExpired:
        return "nft does not answer"
    except OSError as error:
        return f"nft: {error.strerror}"
    lines = done.stderr.strip().splitlines()
    return (lines[0] if lines else "nft failed") if done.returncode else ""


def _nft(commands: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ("nft", "-f", "-"),
        input=commands,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        env={"PATH": _PATH},
        timeout=_PATIENCE,
        check=False,
    )
