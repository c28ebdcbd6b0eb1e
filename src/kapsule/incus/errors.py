# SPDX-License-Identifier: GPL-3.0-or-later
"""What Incus can refuse, as exceptions: one class for each answer that callers tell apart.

::

    IncusError
    ├── IncusUnavailable        (kapsule.errors) no connection, or Incus is still starting
    ├── IncusNotFound           404
    ├── IncusConflict           409: the name is taken
    ├── IncusPreconditionFailed 412: somebody else changed the thing meanwhile
    ├── IncusForbidden          403
    └── IncusOperationLost      Incus forgot the operation: nobody knows how it ended
"""

import re

from kapsule.errors import IncusError, IncusUnavailable


class IncusNotFound(IncusError):
    """There is no such thing in Incus."""

    dbus_name = IncusError.dbus_name + "NotFound"


class IncusConflict(IncusError):
    """The name is taken in Incus."""

    dbus_name = IncusError.dbus_name + "Conflict"


class IncusPreconditionFailed(IncusError):
    """The thing was changed by somebody else since it was read."""

    dbus_name = IncusError.dbus_name + "PreconditionFailed"


class IncusForbidden(IncusError):
    """Incus does not let us do this."""

    dbus_name = IncusError.dbus_name + "Forbidden"


class IncusOperationLost(IncusError):
    """Incus no longer knows an operation, most likely because it was restarted meanwhile."""

    dbus_name = IncusError.dbus_name + "OperationLost"


_BY_CODE: dict[int, type[IncusError]] = {
    403: IncusForbidden,
    404: IncusNotFound,
    409: IncusConflict,
    412: IncusPreconditionFailed,
    503: IncusUnavailable,
}

_HINTS = {
    403: "The daemon needs Incus's administration socket, so it must run as root",
    404: "Something else may have removed it just now: kapsule list",
    503: "Incus is still starting; try again in a moment",
}
_LOG_HINT = "Incus may have more to say: journalctl -u incus.service"
_SPACE_HINT = "Make room where Incus has its storage pools: incus storage list"
_NO_SPACE = re.compile(r"disk space|no space left", re.IGNORECASE)


def from_code(code: int, text: str) -> IncusError:
    """Return the exception for an error reply.

    code: the error code of the reply, an HTTP status. text: Incus's own words; may be empty.
    """
    if code not in _BY_CODE:
        return failure(text or f"Incus answered with error {code}")
    return _BY_CODE[code](text or f"Incus answered with error {code}", hint=_HINTS.get(code, ""))


def failure(text: str) -> IncusError:
    """Return the exception for what Incus tried and could not do. text: Incus's own words."""
    return IncusError(text, hint=_SPACE_HINT if _NO_SPACE.search(text) else _LOG_HINT)
