# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done to the files of a container, as values that travel as JSON.

Text stands for bytes: UTF-8 with the "surrogateescape" handler, so that every byte survives.
Paths are absolute and are those of the container.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from kapsule.errors import GuestError

FILE = "file"
DIRECTORY = "directory"
SYMLINK = "symlink"
OTHER = "other"


class GuestFile(NamedTuple):
    """What is at a path. The path itself is not followed when it is a symbolic link.

    kind: FILE, DIRECTORY, SYMLINK, or OTHER for a device, a FIFO or a socket.
    content: the text of a file, the target of a link. None where there is none to read: a
    directory, and a file that is larger than 1 MiB or holds a NUL byte, such as a program.
    mode: the permission bits. entries: the sorted names in a directory; None in one with more
    than 1000. executable: whether the path leads to a file that can be executed, links followed.
    mounted: whether it lies on another mount than the container's root directory does.
    """

    kind: str
    content: str | None = None
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    entries: tuple[str, ...] | None = ()
    executable: bool = False
    mounted: bool = False


class WriteFile(NamedTuple):
    """Make path a regular file with this content, mode and owner; replace what is there at once.

    replaces: the text that the plan was made for. When the file no longer holds it, nothing is
    written and the plan has to be made again. "" also stands for no file; None for anything.
    A directory is never replaced.
    """

    path: str
    content: str
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    replaces: str | None = None


class MakeDirectory(NamedTuple):
    """Make path a directory with this mode and owner; one that exists is given them.

    parents: whether missing parents are made as well, with mode 0755 and root as owner.
    """

    path: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    parents: bool = False


class Symlink(NamedTuple):
    """Make path a symbolic link to target; a file or link that is there is replaced at once."""

    path: str
    target: str
    uid: int = 0
    gid: int = 0


class CopyTree(NamedTuple):
    """Copy what is in the directory source into the directory target, as a skeleton.

    Files, directories and links are copied and given to uid and gid; set-id bits, devices and
    whatever exists in target already are left out. as_user: with the rights of uid and gid, where
    target is the host's; what these may not read is left out, too.
    """

    source: str
    target: str
    uid: int
    gid: int
    as_user: bool = False


class Remove(NamedTuple):
    """Remove a file, a link or an empty directory. A directory that is not empty stays."""

    path: str


class SetHostname(NamedTuple):
    """Set the host name of the container's kernel namespace, until its next start."""

    name: str


class SetFileCapability(NamedTuple):
    """Have the program at path get one capability when it is executed: capabilities(7).

    capability: its number, or NO_CAPABILITY to take back what this action gave. Nothing is done
    where no program is at path, and where its mode or an attribute gives it rights already.
    """

    path: str
    capability: int


NO_CAPABILITY = -1

Action = WriteFile | MakeDirectory | Symlink | CopyTree | Remove | SetHostname | SetFileCapability

_ACTIONS: tuple[Callable[..., Action], ...] = (
    WriteFile,
    MakeDirectory,
    Symlink,
    CopyTree,
    Remove,
    SetHostname,
    SetFileCapability,
)
_Value = TypeVar("_Value")


def actions_to_wire(actions: Iterable[Action]) -> list[list[Any]]:
    """Return the actions as JSON can carry them."""
    return [[type(action).__name__, *action] for action in actions]


def actions_from_wire(wire: object) -> list[Action]:
    """Return the actions that `actions_to_wire` was given. Raises GuestError for nonsense."""
    return [_action_from_wire(each) for each in _list(wire)]


def files_to_wire(files: Mapping[str, GuestFile | None]) -> dict[str, list[Any] | None]:
    """Return what `read_files` returned as JSON can carry it."""
    return {path: None if file is None else list(file) for path, file in files.items()}


def files_from_wire(wire: object) -> dict[str, GuestFile | None]:
    """Return what `files_to_wire` was given. Raises GuestError for nonsense."""
    if not isinstance(wire, dict):
        raise _nonsense(wire)
    return {
        path: None if fields is None else _build(GuestFile, _list(fields))
        for path, fields in wire.items()
    }


def _action_from_wire(wire: object) -> Action:
    name, *fields = _list(wire) or [None]
    for kind in _ACTIONS:
        if kind.__name__ == name:
            return _build(kind, fields)
    raise _nonsense(name)


def _build(kind: Callable[..., _Value], fields: list[Any]) -> _Value:
    """Make a value of its fields, each of which must have its field's type.

    The container's root can interfere with the process that sends them.
    """
    values = [tuple(each) if isinstance(each, list) else each for each in fields]
    types = list(kind.__annotations__.values())
    if len(values) != len(types) or not all(map(_fits, values, types)):
        raise _nonsense(fields)
    return kind(*values)


def _fits(value: object, type_: Any) -> bool:
    if isinstance(value, tuple):
        return type_ == tuple[str, ...] | None and all(isinstance(each, str) for each in value)
    return value is None if type_ == tuple[str, ...] | None else isinstance(value, type_)


def _list(wire: object) -> list[Any]:
    if not isinstance(wire, list):
        raise _nonsense(wire)
    return wire


def _nonsense(wire: object) -> GuestError:
    return GuestError(f"The container answered with what cannot be: {wire!r:.80}")
