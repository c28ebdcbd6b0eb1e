# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration files: ini, section [kapsule]. Only the daemon reads them."""

import asyncio
import configparser
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kapsule import names
from kapsule.host.users import HostUser
from kapsule.linux.as_user import read_small_file

_SECTION = "kapsule"
_NAME_LENGTH = 63
# configparser takes time by the square of a line's length, on the event loop, and holds up all
# threads meanwhile. So a user's file, which anybody can write, is a small one.
_LARGEST_OWN_FILE = 4096  # bytes
_LONGEST_LINE = 512
_LONGEST_REASON = 200  # in the log

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Config:
    """What the files say, or else these values.

    default_container: what `enter` means when it names none, before it is made the caller's own
    by own_names(). default_image: what `create` takes when it names none.
    admin_group: whose members may do everything; "" for the group that owns Incus's socket.
    max_containers: how many a user may have who is no administrator; 0 for any number.
    max_operations: how many of one user may run at a time.
    max_sessions: how many a user may have in containers, but for root; 0 for any number.
    """

    default_container: str = "kapsule"
    default_image: str = "images:ubuntu/24.04"
    admin_group: str = ""
    max_containers: int = 32
    max_operations: int = 64
    max_sessions: int = 256


# Key -> the least that it can be.
_NUMBERS = {"max_containers": 0, "max_operations": 1, "max_sessions": 0}
_KEYS = ("default_container", "default_image", "admin_group", *_NUMBERS)
_USER_KEYS = ("default_container", "default_image")


def parse(text: str) -> dict[str, str]:
    """Return the keys of one file that we know and that have a value.

    Raises ValueError when the text is no ini file, or has a line that is too long.
    """
    if any(len(line) > _LONGEST_LINE for line in text.split("\n")):
        raise ValueError(f"a line has more than {_LONGEST_LINE} characters")
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise ValueError(error.message.replace("\n", " ")) from error
    if not parser.has_section(_SECTION):
        return {}
    section = parser[_SECTION]
    return {key: section[key] for key in _KEYS if _is_usable(key, section.get(key, ""))}


def _is_usable(key: str, value: str) -> bool:
    if not value or key not in _NUMBERS:
        return bool(value)
    if re.fullmatch("[0-9]{1,9}", value, re.ASCII) and int(value) >= _NUMBERS[key]:
        return True
    log.warning("%s cannot be %.*r", key, _LONGEST_REASON, value)
    return False


def merge(system: Sequence[Mapping[str, str]], user: Mapping[str, str]) -> Config:
    """Return the configuration that results from the keys of several files.

    system: of the machine's files, the weakest first. user: of the user's own, which wins, but has
    no say in who may do what. A number that cannot be is passed over.
    """
    merged: dict[str, str] = {}
    for keys in system:
        merged |= keys
    merged |= {key: value for key, value in user.items() if key in _USER_KEYS}
    values: dict[str, Any] = {
        key: int(value) if key in _NUMBERS else value for key, value in merged.items()
    }
    return Config(**values)


def load_system(files: Sequence[str] = names.CONFIG_FILES) -> Config:
    """Return what the machine's files say. It reads files, so do not call it on an event loop.

    files: their paths, the weakest first. One that is missing or broken is passed over.
    """
    return merge(_read_system(files), {})


async def load(user: HostUser, files: Sequence[str] = names.CONFIG_FILES) -> Config:
    """Return what the machine's files and the user's own file say.

    The user's file is opened with the user's rights, below the home that passwd tells.
    """
    system, own = await asyncio.gather(asyncio.to_thread(_read_system, files), _read_own(user))
    return merge(system, own)


def own_names(name: str, user: HostUser) -> tuple[str, ...]:
    """Return what the user's default container may be called, the best first.

    name: as configured. The first of these that is the user's own, or else the first that nobody
    has, is the user's default container: two users never share one.
    """
    slug = re.sub(r"[^a-z0-9]+", "-", user.name.lower()).strip("-")
    endings = ("", f"-{slug}" if slug else "", f"-u{user.uid}")
    fitting = (name[: _NAME_LENGTH - len(ending)] + ending for ending in endings)
    return tuple(dict.fromkeys(fitting))


def _read_system(files: Sequence[str]) -> list[dict[str, str]]:
    return [_keys_of(path, _content(path)) for path in files]


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        log.warning("%s cannot be read: %s", path, error.strerror)
        return b""


async def _read_own(user: HostUser) -> dict[str, str]:
    path = f"{user.home}/{names.USER_CONFIG_FILE}"
    try:
        return _keys_of(path, await read_small_file(user, path, _LARGEST_OWN_FILE))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        log.warning("%s of user %d is passed over: %s", path, user.uid, error.strerror)
        return {}


def _keys_of(path: str, content: bytes) -> dict[str, str]:
    try:
        return parse(content.decode("utf-8-sig"))
    except ValueError as error:
        log.warning("%s is passed over: %.*s", path, _LONGEST_REASON, error)
        return {}
