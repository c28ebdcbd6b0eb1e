# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of capabilities: capabilities(7), numbered by linux/capability.h. Pure."""

NAMES = (
    *("chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid"),
    *("setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw"),
    *("ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct"),
    *("sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod"),
    *("lease", "audit_write", "audit_control", "setfcap", "mac_override", "mac_admin", "syslog"),
    *("wake_alarm", "block_suspend", "audit_read", "perfmon", "bpf", "checkpoint_restore"),
)


def names_of(mask: int) -> tuple[str, ...]:
    """Return the names of the capabilities in a set; one that has no name here gets its number."""
    bits = (number for number in range(mask.bit_length()) if mask >> number & 1)
    return tuple(NAMES[bit] if bit < len(NAMES) else str(bit) for bit in bits)
