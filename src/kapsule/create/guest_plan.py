# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new container needs in its own files. Pure."""

from collections.abc import Mapping

from kapsule import names
from kapsule.session.guest_actions import (
    FILE,
    Action,
    GuestFile,
    MakeDirectory,
    SetFileCapability,
    SetHostname,
    WriteFile,
)

_ETC = "/etc"
_HOSTS = "/etc/hosts"
_HOSTNAME = "/etc/hostname"
_LOOPBACK = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"

# What rootless containers take their ids with. An image that was packed without extended
# attributes has lost what these may do. Numbers: linux/capability.h.
_CAP_SETGID, _CAP_SETUID = 6, 7
_ID_MAPPERS = {"/usr/bin/newuidmap": _CAP_SETUID, "/usr/bin/newgidmap": _CAP_SETGID}

# What plan_guest has to know.
PATHS = (_ETC, _HOSTS)


def plan_guest(
    name: str,
    files: Mapping[str, GuestFile | None],
    directories: tuple[Action, ...] = (),
) -> list[Action]:
    """Return what makes the guest a container of this name.

    files: what is at PATHS. directories: parents of mounts, which belong to the owner.

    Its host name is the container's name, whatever the image brings, and resolves, so that sudo
    does not wait for a name server. /.kapsule tells programs where they are.
    """
    actions: list[Action] = [] if files.get(_ETC) else [MakeDirectory(_ETC)]
    actions += [
        MakeDirectory(names.GUEST_DIRECTORY),
        WriteFile(_HOSTNAME, f"{name}\n"),
        *_plan_hosts(name, files.get(_HOSTS)),
        # After the file: a systemd that is still booting sets what it read there.
        SetHostname(name),
        *(SetFileCapability(path, number) for path, number in _ID_MAPPERS.items()),
        *directories,
    ]
    return actions


def hosts_with(text: str, name: str) -> str:
    """Return the text of /etc/hosts with an entry for name; nothing of it is lost. hosts(5)."""
    if any(_is_entry(line, name) for line in text.splitlines()):
        return text
    separator = "" if not text or text.endswith("\n") else "\n"
    # 127.0.1.1: for the host's own name, so that 127.0.0.1 stays localhost.
    return f"{text or _LOOPBACK}{separator}127.0.1.1\t{name}\n"


def _plan_hosts(name: str, file: GuestFile | None) -> list[Action]:
    """A link, or something that is no text, is the image's own arrangement and stays."""
    if file is None:
        return [WriteFile(_HOSTS, hosts_with("", name))]
    if file.kind != FILE or file.content is None:
        return []
    text = hosts_with(file.content, name)
    if text == file.content:
        return []
    return [WriteFile(_HOSTS, text, file.mode, file.uid, file.gid, replaces=file.content)]


def _is_entry(line: str, name: str) -> bool:
    address, *known = line.partition("#")[0].split() or [""]
    return address.startswith(("127.", "::1")) and name in known
