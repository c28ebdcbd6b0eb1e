# SPDX-License-Identifier: GPL-3.0-or-later
"""D-Bus errors -> KapsuleErrors: the seam between the bus and the command line."""

from kapsule.errors import InvalidArgument, KapsuleError, NotAuthorized, NotSupported, from_dbus

_START_HINT = (
    "Start it with `systemctl start kapsule-daemon`, or in the source tree with `make run`"
)
_LOG_HINT = "See `journalctl -u kapsule-daemon`"

_STANDARD = "org.freedesktop.DBus.Error."
# What the bus says when nobody owns the name and nobody could be started to own it.
_NOT_RUNNING = (
    _STANDARD + "ServiceUnknown",
    _STANDARD + "NameHasNoOwner",
    _STANDARD + "Spawn.",
    _STANDARD + "TimedOut",
    "org.freedesktop.systemd1.",
)
_NO_REPLY = _STANDARD + "NoReply"  # it left the bus before it answered
_UNKNOWN = tuple(_STANDARD + "Unknown" + what for what in ("Method", "Interface", "Object"))


def no_bus(reason: BaseException) -> KapsuleError:
    """Return the error for a system bus that cannot be used."""
    return KapsuleError(
        f"Cannot connect to kapsule-daemon: there is no system bus ({reason})",
        hint="Kapsule needs D-Bus; in the source tree `make run` starts one where there is none",
    )


def bus_lost(reason: BaseException) -> KapsuleError:
    """Return the error for a connection to the bus that broke."""
    return KapsuleError(f"The connection to the system bus was lost ({reason})")


def daemon_lost() -> KapsuleError:
    """Return the error for a daemon that went away while we waited for it."""
    return KapsuleError("kapsule-daemon stopped before it was done", hint=_LOG_HINT)


def cannot_send(reason: Exception) -> KapsuleError:
    """Return the error for a call that does not fit into a D-Bus message."""
    if isinstance(reason, UnicodeError):
        return InvalidArgument(
            "An argument is not valid UTF-8, and D-Bus carries nothing else",
            hint="Use a UTF-8 locale, and rename files whose names are in another encoding",
        )
    return InvalidArgument(f"The arguments do not fit into a D-Bus message: {reason}")


def is_gone(name: str) -> bool:
    """Whether the error name says that the process that we called is no longer there."""
    return name.startswith(_NOT_RUNNING) or name == _NO_REPLY


def translate(name: str, text: str, member: str) -> KapsuleError:
    """Return the KapsuleError for an error reply.

    name: the D-Bus error name. text: its first argument, or "". member: the method called.
    """
    if name.startswith(_NOT_RUNNING):
        return KapsuleError("Cannot connect to kapsule-daemon: it is not running", hint=_START_HINT)
    if name == _NO_REPLY:
        return daemon_lost()
    if name in _UNKNOWN:
        return NotSupported(
            f"The kapsule-daemon that runs does not know {member}",
            hint="It may be of another version: `systemctl restart kapsule-daemon`",
        )
    if name == _STANDARD + "AccessDenied":
        return NotAuthorized(f"The system bus refused the call: {text}")
    return from_dbus(name, text or name)
