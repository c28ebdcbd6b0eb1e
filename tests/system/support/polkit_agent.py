# SPDX-License-Identifier: GPL-3.0-or-later
"""An agent of polkit's that asks nobody, but answers as a test wants: polkit(8)."""

from pathlib import Path
from typing import Any, NamedTuple

from jeepney import (  # type: ignore[import-untyped]
    DBusAddress,
    MessageType,
    new_error,
    new_method_call,
    new_method_return,
)
from jeepney.io.blocking import open_dbus_connection  # type: ignore[import-untyped]

from tests.system.support.bus import acting_as
from tests.system.support.users import User

_PATIENCE = 30.0
_PATH = "/org/kde/kapsule/tests/agent"
_AUTHORITY = DBusAddress(
    "/org/freedesktop/PolicyKit1/Authority",
    "org.freedesktop.PolicyKit1",
    "org.freedesktop.PolicyKit1.Authority",
)
_DISMISSED = "org.freedesktop.PolicyKit1.Error.Cancelled"
_START_TIME = 19  # of the fields after the program's name: proc_pid_stat(5)


class Question(NamedTuple):
    """What somebody is to authenticate for. call: polkit's, which waits for the answer."""

    action: str
    message: str
    details: dict[str, str]
    cookie: str
    identities: list[Any]
    call: Any


class Agent:
    """The user's agent for one process, as a desktop has one for all that run in its session."""

    def __init__(self, user: User, pid: int) -> None:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        started = ("t", int(fields[_START_TIME]))
        subject = ("unix-process", {"pid": ("u", pid), "start-time": started})
        self._uid = user.account.pw_uid
        with acting_as(user):
            self._connection = open_dbus_connection("SYSTEM")
        register = ("RegisterAuthenticationAgent", "(sa{sv})ss", (subject, "C", _PATH))
        _call(self._connection, *register)

    def __enter__(self) -> "Agent":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def asked(self) -> Question:
        """Wait until polkit wants somebody asked."""
        call = self._receive("BeginAuthentication")
        action, message, _, details, cookie, identities = call.body
        return Question(action, message, details, cookie, identities, call)

    def grant(self, question: Question) -> None:
        """Have an administrator authenticate. Root vouches for them, as polkit's helper does."""
        body = (self._uid, question.cookie, question.identities[0])
        with open_dbus_connection("SYSTEM") as connection:
            _call(connection, "AuthenticationAgentResponse2", "us(sa{sv})", body)
        self._connection.send(new_method_return(question.call))

    def fail(self, question: Question) -> None:
        """Give up after wrong passwords: nobody was vouched for."""
        self._connection.send(new_method_return(question.call))

    def dismiss(self, question: Question) -> None:
        """Have the window closed."""
        self._connection.send(new_error(question.call, _DISMISSED, "s", ("closed",)))

    def wait_for_withdrawal(self, question: Question) -> None:
        """Wait until polkit does not want to know any more."""
        assert self._receive("CancelAuthentication").body == (question.cookie,)

    def _receive(self, member: str) -> Any:
        while True:
            message = self._connection.receive(timeout=_PATIENCE)
            fields = message.header.fields.values()
            if message.header.message_type is MessageType.method_call and member in fields:
                return message


def _call(connection: Any, member: str, signature: str, body: tuple[Any, ...]) -> None:
    call = new_method_call(_AUTHORITY, member, signature, body)
    reply = connection.send_and_get_reply(call, timeout=_PATIENCE)
    assert reply.header.message_type is MessageType.method_return, reply.body
