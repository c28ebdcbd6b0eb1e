# SPDX-License-Identifier: GPL-3.0-or-later
"""Our errors as the bus carries them. Only here do the two meet."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from dbus_fast import DBusError

from kapsule.errors import Cancelled, InternalError, KapsuleError

P = ParamSpec("P")
T = TypeVar("T")

CANCELLED = "Operation cancelled"

log = logging.getLogger(__name__)


def answers(method: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Make a D-Bus method answer with named errors, whatever goes wrong in it."""

    @wraps(method)
    async def answer(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(*args, **kwargs)
        except (Exception, asyncio.CancelledError) as error:
            known = to_kapsule_error(error)
            raise DBusError(known.dbus_name, wire_text(known.to_text())) from error

    return answer


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


def wire_text(text: str) -> str:
    """Return text without what a D-Bus string cannot have: NUL and lone surrogates.

    The bus ends the connection of whoever sends one.
    """
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
