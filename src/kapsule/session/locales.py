# SPDX-License-Identifier: GPL-3.0-or-later
"""Which locales the guest has, by a look at the C library's own files. Runs inside the guest.

Programs complain at every start when their environment names a locale that is missing. Asking the
guest's `locale -a` would cost an enter more than all the rest.
"""

import os
import re
import stat
import struct
from collections.abc import Iterable, Mapping

FALLBACK = "C.UTF-8"
BUILT_IN = frozenset({"", "C", "POSIX", "C.UTF-8", "C.utf8"})
# glibc's own place, and where NixOS keeps the archive.
DIRECTORIES = ("/usr/lib/locale", "/run/current-system/sw/lib/locale")

_VARIABLE = re.compile(r"LANG\Z|LC_")
_ARCHIVE = "locale-archive"
# struct locarhead of glibc's locale/locarchive.h: the magic number and eleven more of 32 bits, of
# which the sixth and the seventh say where the names are and how long they are.
_HEAD = struct.Struct("=12I")
_MAGIC = 0xDE020109
_MAX_NAMES = 1024 * 1024


def without_missing(
    environment: Mapping[str, str], directories: Iterable[str] = DIRECTORIES
) -> dict[str, str]:
    """Return the environment with C.UTF-8 in place of locales that the guest does not have."""
    named = {name: value for name, value in environment.items() if _VARIABLE.match(name)}
    gone = missing(set(named.values()), directories)
    return {**environment, **{name: FALLBACK for name in named if named[name] in gone}}


def missing(names: Iterable[str], directories: Iterable[str] = DIRECTORIES) -> set[str]:
    """Return those of the locales that the guest does not have.

    A guest without any of the directories has another C library, such as musl, which takes every
    name. directories: where glibc's locales are.
    """
    asked = set(names) - BUILT_IN
    places = [place for place in directories if os.path.isdir(place)] if asked else []
    for place in places:
        listed = _names_in_archive(os.path.join(place, _ARCHIVE))
        asked -= {name for name in asked if _is_in(place, listed, name)}
    return asked if places else set()


def normal(name: str) -> str:
    """Return a locale's name as glibc writes it to disk: de_DE.UTF-8 becomes de_DE.utf8."""
    language, dot, rest = name.partition(".")
    codeset, at, modifier = rest.partition("@")
    plain = "".join(filter(str.isalnum, codeset)).lower()
    return language + dot + (f"iso{plain}" if plain.isdecimal() else plain) + at + modifier


def _is_in(place: str, listed: bytes, name: str) -> bool:
    if name.startswith(".") or "/" in name or "\0" in name:  # no name, but a path
        return False
    spellings = (name, normal(name))
    return any(
        b"\0%s\0" % os.fsencode(each) in listed or os.path.isdir(os.path.join(place, each))
        for each in spellings
    )


def _names_in_archive(path: str) -> bytes:
    """Return the names in an archive, each between NUL bytes; none of what is no archive."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return b""
        magic, _, _, _, _, offset, length, *_ = _HEAD.unpack(os.pread(descriptor, _HEAD.size, 0))
        if magic != _MAGIC:
            return b""
        return b"\0" + os.pread(descriptor, min(length, _MAX_NAMES), offset)
    except (OSError, struct.error, OverflowError):
        return b""
    finally:
        os.close(descriptor)
