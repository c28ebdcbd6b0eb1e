# SPDX-License-Identifier: GPL-3.0-or-later
"""Every error that Kapsule raises on purpose.

The branch says whose fault it is; each class has its name on the bus::

    KapsuleError
    ├── CallerError             the caller can mend it
    │   ├── InvalidArgument         a value, an option or a name that cannot be
    │   ├── NotFound                no such container, image or operation
    │   ├── AlreadyExists
    │   ├── NotAuthorized           the caller may not do this
    │   ├── NotSupported            this version or this host cannot do it
    │   └── Busy                    the container is in the wrong state for it
    ├── GuestError              what is inside the container stands in the way
    │   └── NoAccount               the user has no account in the container
    ├── IncusError              Incus refused or failed
    │   └── IncusUnavailable        Incus does not answer
    ├── Cancelled               somebody asked for it
    └── InternalError           a bug of ours

The command line imports this module before it does anything else, so it imports nothing itself.
"""

_PREFIX = "org.kde.kapsule.Error."
_HINT = "\nHint: "


class KapsuleError(Exception):
    """An error with a message for people and a hint at what to do.

    message: one sentence, no full stop needed. hint: what the reader can do about it, or "".
    """

    dbus_name = _PREFIX + "Failed"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def to_text(self) -> str:
        """Return message and hint as the one string that a D-Bus error carries."""
        return self.message + _HINT + self.hint if self.hint else self.message


class CallerError(KapsuleError):
    """The request cannot be carried out as it was made."""

    dbus_name = _PREFIX + "BadRequest"


class InvalidArgument(CallerError):
    """A value that cannot be: a bad name, an unknown option, a wrong type."""

    dbus_name = _PREFIX + "InvalidArgument"


class NotFound(CallerError):
    """There is no such container, image or operation."""

    dbus_name = _PREFIX + "NotFound"


class AlreadyExists(CallerError):
    """The name is taken."""

    dbus_name = _PREFIX + "AlreadyExists"


class NotAuthorized(CallerError):
    """The caller may not do this."""

    dbus_name = _PREFIX + "NotAuthorized"


class NotSupported(CallerError):
    """This version of Kapsule, or this host, cannot do it."""

    dbus_name = _PREFIX + "NotSupported"


class Busy(CallerError):
    """The container is in a state in which this cannot be done."""

    dbus_name = _PREFIX + "Busy"


class GuestError(KapsuleError):
    """What is inside the container stands in the way: no shell, an init that hangs."""

    dbus_name = _PREFIX + "Guest"


class NoAccount(GuestError):
    """The user has no account in the container: it was removed there, or never made."""

    dbus_name = _PREFIX + "NoAccount"


class IncusError(KapsuleError):
    """Incus refused a request or failed while it carried it out."""

    dbus_name = _PREFIX + "Incus"


class IncusUnavailable(IncusError):
    """Incus does not answer: it is not installed, not running or still starting."""

    dbus_name = _PREFIX + "IncusUnavailable"


class Cancelled(KapsuleError):
    """Somebody cancelled the operation."""

    dbus_name = _PREFIX + "Cancelled"


class InternalError(KapsuleError):
    """A bug of ours."""

    dbus_name = _PREFIX + "Internal"


def _tree(base: type[KapsuleError]) -> list[type[KapsuleError]]:
    found = [base]
    for child in base.__subclasses__():
        found += _tree(child)
    return found


def from_dbus(name: str, text: str) -> KapsuleError:
    """Return the error that a D-Bus error stands for.

    name: the D-Bus error name; an unknown one gives a plain KapsuleError.
    text: what to_text() made: the message, and the hint behind it.
    """
    classes = {each.dbus_name: each for each in _tree(KapsuleError)}
    message, _, hint = text.partition(_HINT)
    return classes.get(name, KapsuleError)(message, hint=hint)
