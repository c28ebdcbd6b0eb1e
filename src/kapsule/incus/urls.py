# SPDX-License-Identifier: GPL-3.0-or-later
"""The only place where paths of Incus's REST interface are put together."""

from urllib.parse import quote

from kapsule.errors import InvalidArgument

_VERSION = "1.0"
_CLIMBING = ("", ".", "..")


def path(*segments: str) -> str:
    """Return the path below /1.0 that is made of segments, each of them one level.

    segments: names as they are, not quoted. Whatever they contain, they stay one level each:
    `/`, `?`, `#` and `%` are quoted.
    Raises InvalidArgument for what quoting cannot tame: an empty name, `.`, `..` and text that
    is not UTF-8.
    """
    return "/" + "/".join([_VERSION, *map(_quoted, segments)])


def _quoted(segment: str) -> str:
    if segment in _CLIMBING:
        raise InvalidArgument(f"{segment!r} is not a name")
    try:
        return quote(segment, safe="")
    except UnicodeEncodeError as error:
        raise InvalidArgument(f"{segment!r} is not valid text") from error
