# SPDX-License-Identifier: GPL-3.0-or-later
"""A service on the host's session bus that answers every call with the same word.

Run as a program of its own: host_only_service.py NAME WORD.
"""

import sys

from jeepney import MessageType, message_bus, new_method_return  # type: ignore[import-untyped]
from jeepney.io.blocking import open_dbus_connection  # type: ignore[import-untyped]


def main(name: str, word: str) -> None:
    """Own the name and answer until the bus goes away."""
    connection = open_dbus_connection("SESSION")
    connection.send_and_get_reply(message_bus.RequestName(name))
    while True:
        message = connection.receive()
        if message.header.message_type is MessageType.method_call:
            connection.send(new_method_return(message, "s", (word,)))


if __name__ == "__main__":
    main(*sys.argv[1:])
