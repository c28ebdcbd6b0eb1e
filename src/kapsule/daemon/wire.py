# SPDX-License-Identifier: GPL-3.0-or-later
"""Our values as the bus interface shows them, and what it sends as our values. Pure."""

import json
from collections.abc import Mapping, Sequence

from kapsule.containers.container import Container
from kapsule.containers.stored_options import stored_options
from kapsule.create.request import CreateRequest
from kapsule.daemon.dbus_errors import wire_text
from kapsule.enter.request import EnterRequest
from kapsule.errors import InvalidArgument
from kapsule.host.users import HostUser
from kapsule.options.wire import from_variants

_STANDARD = (0, 1, 2)
_LARGEST_SIZE = 0xFFFF  # struct winsize: ioctl_tty(2)
_ENTER_OPTIONS: Mapping[str, type] = {
    "terminal": list,
    "rows": int,
    "columns": int,
    "root": bool,
}


def to_struct(container: Container) -> list[str]:
    """Return a container as the interface's (sssss)."""
    fields = (container.name, container.status, container.image, container.created, container.mode)
    return [wire_text(field) for field in fields]


def to_owned_struct(container: Container, owner: str) -> list[object]:
    """Return a container as the interface's (ssssssu). owner: the owner's name, or ""."""
    return [*to_struct(container), wire_text(owner), container.owner]


def to_json(container: Container, devices: Mapping[str, Mapping[str, str]]) -> str:
    """Return all about a container as JSON."""
    described = {
        "name": container.name,
        "status": container.status,
        "mode": container.mode,
        "image": container.image,
        "created": container.created,
        "owner": container.owner,
        "options": stored_options(container.config),
        "devices": {name: dict(device) for name, device in devices.items()},
    }
    return json.dumps(described)


def to_enter_request(
    name: str,
    command: Sequence[str],
    cwd: str,
    environment: Mapping[str, str],
    descriptors: Sequence[int | None],
    options: Mapping[str, object],
    caller: HostUser,
    create: CreateRequest | None,
) -> EnterRequest:
    """Return the arguments of Enter as a request.

    descriptors: None where the message brought fewer than it says. options: as received.
    Raises InvalidArgument for what does not fit together.
    """
    values = _enter_options(options)
    terminal = _terminal(values.get("terminal", []))
    stdio = tuple(each for each in descriptors if each is not None)
    if len(stdio) != len(descriptors) or len(stdio) + len(terminal) != len(_STANDARD):
        raise InvalidArgument("There must be a descriptor for each of 0, 1, 2 that is no terminal")
    _check_cwd(cwd)
    _check_environment(environment)
    return EnterRequest(
        name=name,
        command=tuple(command),
        cwd=cwd,
        environment=environment,
        stdio=stdio,
        caller=caller,
        terminal=terminal,
        rows=_size("rows", values.get("rows", 24)),
        columns=_size("columns", values.get("columns", 80)),
        root=values.get("root") is True,
        create=create,
    )


def _enter_options(options: Mapping[str, object]) -> dict[str, object]:
    values = from_variants(options)
    for key, value in values.items():
        # Not isinstance: a bool is an int for Python, but not for D-Bus.
        if type(value) is not _ENTER_OPTIONS.get(key):
            raise InvalidArgument(f"Enter has no option {key!r} with the value {value!r:.60}")
    return values


def _terminal(value: object) -> tuple[int, ...]:
    """Return which of 0, 1 and 2 are a terminal."""
    found = tuple(each for each in _STANDARD if isinstance(value, list) and each in value)
    if [*found] != value:
        raise InvalidArgument(f"terminal must be some of 0, 1 and 2, ascending, not {value!r:.60}")
    return found


def _size(key: str, value: object) -> int:
    if not isinstance(value, int) or not 0 <= value <= _LARGEST_SIZE:
        raise InvalidArgument(f"{key} cannot be {value!r}")
    return value


def _check_cwd(cwd: str) -> None:
    if cwd and not cwd.startswith("/"):
        raise InvalidArgument(f"The working directory must be absolute, not {cwd!r:.60}")


def _check_environment(environment: Mapping[str, str]) -> None:
    for key in environment:
        if not key or "=" in key:
            raise InvalidArgument(f"{key!r:.60} cannot be the name of a variable")
