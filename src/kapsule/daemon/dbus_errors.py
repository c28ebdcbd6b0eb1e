# SPDX-License-Identifier: GPL-3.0-or-later
"""Our errors as the bus carries them. Only here do the two meet."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from dbus_fast import DBusError

from kapsule.daemon.bus import current_call
from kapsule.errors import Cancelled, InternalError, KapsuleError

P = ParamSpec("P")
T = TypeVar("T")

CANCELLED = "Operation cancelled"

_LONGEST = 65536  # characters
_LONGEST_ERROR = 4096

log = logging.getLogger(__name__)


def answers(method: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T | None]]:
    """Make a D-Bus method answer with named errors, whatever goes wrong in it.

    Where nobody waits for the answer, dbus-fast would log an error with all that led to it.
    """

    @wraps(method)
    async def answer(*args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return await method(*args, **kwargs)
        except (Exception, asyncio.CancelledError) as error:
            name, text = _on_wire(error)
        # What the caller sent may be much. dbus-fast keeps an error in a circle with all that led
        # to it, until Python looks for such circles.
        del args, kwargs
        if current_call().wants_reply:
            raise DBusError(name, text)
        return None

    return answer


def _on_wire(error: BaseException) -> tuple[str, str]:
    """Return the name and the text of an error."""
    known = to_kapsule_error(error)
    return known.dbus_name, error_text(known)


def to_kapsule_error(error: BaseException) -> KapsuleError:
    """Return what the caller may know of an error; what is a bug goes to the log in full."""
    if isinstance(error, KapsuleError):
        return error
    if isinstance(error, asyncio.CancelledError):
        return Cancelled(CANCELLED)
    log.error("Unexpected error", exc_info=error)
    return InternalError(
        f"Internal error: {type(error).__name__}",
        hint="The log says more: journalctl -u kapsule-daemon",
    )


def error_text(error: KapsuleError) -> str:
    """Return what the bus carries of an error. What a caller sent may be in it, however long."""
    return wire_text(error.to_text(), _LONGEST_ERROR)


def wire_text(text: str, longest: int = _LONGEST) -> str:
    """Return text without what a D-Bus string cannot have: NUL and lone surrogates.

    The bus ends the connection of whoever sends one, or a message that is too large. longest:
    characters; what is more is cut off.
    """
    if len(text) > longest:
        text = text[: longest - 1] + "\u2026"
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
