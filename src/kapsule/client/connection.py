# SPDX-License-Identifier: GPL-3.0-or-later
"""A blocking connection to the daemon: calls, its operations' signals, and whether it lives.

`kapsule enter` imports this before it does anything else, so the imports are few:
tests/unit/test_imports.py holds the list.
"""

import select
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

# jeepney ships no types.
from jeepney import (  # type: ignore[import-untyped]
    DBusAddress,
    DBusErrorResponse,
    HeaderFields,
    MessageFlag,
    MessageType,
    message_bus,
    new_method_call,
)
from jeepney.io.blocking import open_dbus_connection  # type: ignore[import-untyped]

from kapsule import names
from kapsule.client import failures

# The daemon may be busy and the bus slow; only a bus that hangs takes this long (seconds).
_AUTHENTICATION_DEADLINE = 30.0

_OWNER_RULE = (
    "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
    f"member='NameOwnerChanged',arg0='{names.BUS_NAME}'"
)
_OPERATIONS_RULE = (
    f"type='signal',sender='{names.BUS_NAME}',interface='{names.OPERATION_INTERFACE}',"
    f"path_namespace='{names.OPERATIONS_PATH}'"
)


class Signal(NamedTuple):
    """A signal of one of the daemon's operations.

    path: the operation. member: the signal's name. body: its arguments.
    """

    path: str
    member: str
    body: tuple[Any, ...]


OnSignal = Callable[[Signal], None]


class Connection:
    """A connection to the system bus, or to what DBUS_SYSTEM_BUS_ADDRESS names.

    Signals count only when they come from the daemon itself: everybody may send us some.
    Raises KapsuleError when there is no bus.
    """

    def __init__(self) -> None:
        self._bus = _open()
        self._signals: deque[Signal | None] = deque()  # None: the daemon went away here
        self._subscribed = False
        self._watched: dict[int, Callable[[], None]] = {}
        self._owner = ""  # the daemon's unique name, as far as the bus has told us
        self._add_match(_OWNER_RULE)
        # Not waited for: the bus answers in order, so before anything that the daemon says.
        self._owner_call = self._send(message_bus.GetNameOwner(names.BUS_NAME))

    def close(self) -> None:
        """Close the connection; the daemon drops what it does only for us."""
        self._bus.close()

    def watch(self, descriptor: int, callback: Callable[[], None]) -> None:
        """Call back whenever the descriptor is readable while we wait for the daemon.

        The callback reads from it, and may raise to end the wait. It must not make calls.
        """
        self._watched[descriptor] = callback

    def unwatch(self, descriptor: int) -> None:
        """Take a watch back."""
        self._watched.pop(descriptor, None)

    def subscribe(self) -> None:
        """Ask for the signals of all operations from now on, and forget older ones."""
        if not self._subscribed:
            self._add_match(_OPERATIONS_RULE)
            self._subscribed = True
        self._signals.clear()

    def next_signal(self) -> Signal:
        """Return the oldest signal not yet seen; wait for one.

        Raises KapsuleError when the daemon goes away first.
        """
        while not self._signals:
            self._note(self._receive(), self._signals.append)
        signal = self._signals.popleft()
        if signal is None:
            raise failures.daemon_lost()
        return signal

    @property
    def has_signals(self) -> bool:
        """Whether next_signal() answers without waiting."""
        return bool(self._signals)

    def call(
        self,
        member: str,
        signature: str = "",
        body: tuple[Any, ...] = (),
        *,
        on_signal: OnSignal | None = None,
    ) -> tuple[Any, ...]:
        """Call a method of the Manager, and return what it answers. The bus starts the daemon.

        There is no time limit: a create takes as long as it takes. Signals that come meanwhile go
        to on_signal, or are kept for next_signal().
        Raises the KapsuleError that the daemon's error stands for.
        """
        manager = DBusAddress(names.MANAGER_PATH, names.BUS_NAME, names.MANAGER_INTERFACE)
        message = new_method_call(manager, member, signature or None, body)
        message.header.flags = MessageFlag.allow_interactive_authorization
        reply = self._call(message, on_signal or self._signals.append)
        if reply.header.message_type is MessageType.error:
            raise failures.translate(*_error_in(reply), member)
        return _body(reply)

    def call_operation(
        self, path: str, interface: str, member: str, signature: str = "", body: Any = ()
    ) -> tuple[Any, ...] | None:
        """Call a method of an operation, and return what it answers, None if it is not there.

        An operation lives in the daemon that started it. So it is that process which is asked, and
        no new one is started.
        Raises KapsuleError when that daemon is gone.
        """
        message = self._to_operation(path, interface, member, signature or None, body)
        reply = self._call(message, self._signals.append)
        if reply.header.message_type is not MessageType.error:
            return _body(reply)
        if failures.is_gone(_error_in(reply)[0]):
            raise failures.daemon_lost()
        return None

    def tell_operation(self, path: str, interface: str, member: str) -> None:
        """Call a method of an operation and do not wait for an answer."""
        message = self._to_operation(path, interface, member)
        message.header.flags = MessageFlag.no_reply_expected
        self._send(message)

    def _to_operation(
        self, path: str, interface: str, member: str, signature: str | None = None, body: Any = ()
    ) -> Any:
        if not self._owner:
            raise failures.daemon_lost()
        operation = DBusAddress(path, self._owner, interface)
        return new_method_call(operation, member, signature, body)

    def _call(self, message: Any, on_signal: OnSignal) -> Any:
        serial = self._send(message)
        while True:
            reply = self._receive()
            if reply.header.fields.get(HeaderFields.reply_serial) == serial:
                return reply
            self._note(reply, on_signal)

    def _add_match(self, rule: str) -> None:
        message = message_bus.AddMatch(rule)
        message.header.flags = MessageFlag.no_reply_expected
        self._send(message)

    def _send(self, message: Any) -> int:
        serial: int = next(self._bus.outgoing_serial)
        try:
            self._bus.send(message, serial=serial)
        except OSError as error:
            raise failures.bus_lost(error) from error
        except ValueError as error:  # what cannot be written: not UTF-8, or too long
            raise failures.cannot_send(error) from error
        return serial

    def _receive(self) -> Any:
        while True:
            try:
                return self._bus.receive(timeout=0)
            except TimeoutError:
                self._wait()
            except (OSError, RuntimeError) as error:  # the latter: too many descriptors are open
                raise failures.bus_lost(error) from error

    def _wait(self) -> None:
        """Wait until the bus has something. A signal handler that raises here loses no data."""
        poller = select.poll()
        for descriptor in (self._bus.sock, *self._watched):
            poller.register(descriptor, select.POLLIN)
        for descriptor, _ in poller.poll():
            if descriptor in self._watched:
                self._watched[descriptor]()

    def _note(self, message: Any, on_signal: OnSignal) -> None:
        """Take in a message that is not the awaited answer."""
        fields = message.header.fields
        sender = fields.get(HeaderFields.sender)
        member = fields.get(HeaderFields.member, "")
        if message.header.message_type is not MessageType.signal:
            if fields.get(HeaderFields.reply_serial) == self._owner_call and not self._owner:
                self._owner = _owner_in(message)
        elif sender == message_bus.bus_name and member == "NameOwnerChanged":
            self._owner_changed(*message.body)
        elif sender == self._owner and self._owner and _is_operation(fields):
            on_signal(Signal(fields[HeaderFields.path], member, message.body))

    def _owner_changed(self, name: str, old: str, new: str) -> None:
        if name != names.BUS_NAME:
            return
        if old:
            self._signals.append(None)
        self._owner = new


def _open() -> Any:
    try:
        return open_dbus_connection(
            "SYSTEM", enable_fds=True, auth_timeout=_AUTHENTICATION_DEADLINE
        )
    except (OSError, ValueError, RuntimeError, DBusErrorResponse) as error:
        raise failures.no_bus(error) from error


def _is_operation(fields: Any) -> bool:
    return bool(fields.get(HeaderFields.interface) == names.OPERATION_INTERFACE)


def _owner_in(reply: Any) -> str:
    is_answer = reply.header.message_type is MessageType.method_return
    return str(reply.body[0]) if is_answer else ""


def _error_in(reply: Any) -> tuple[str, str]:
    """Return the name of an error and its text, which may be ""."""
    text = reply.body[0] if reply.body and isinstance(reply.body[0], str) else ""
    return reply.header.fields[HeaderFields.error_name], text


def _body(reply: Any) -> tuple[Any, ...]:
    body: tuple[Any, ...] = reply.body
    return body
