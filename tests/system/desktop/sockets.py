# SPDX-License-Identifier: GPL-3.0-or-later
"""Sockets on the host that stand for any server."""

import os
import secrets
import socket
import threading
from contextlib import suppress
from types import TracebackType

from tests.system.support.users import User

_ACCEPTED = 64


class Speaker:
    """A socket on the host that says one word to everyone who connects.

    path: where it is. word: what it says; no two speakers say the same.
    """

    def __init__(self, path: str, user: User, mode: int = 0o600) -> None:
        self.path = path
        self.word = secrets.token_hex(8)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        with suppress(FileNotFoundError):
            os.unlink(path)
        self._listener.bind(path)
        os.chown(path, user.account.pw_uid, user.account.pw_gid)
        os.chmod(path, mode)
        self._listener.listen(_ACCEPTED)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Speaker":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        with suppress(FileNotFoundError):
            os.unlink(self.path)

    def stop(self) -> None:
        """Fall silent; the socket's file stays behind, as that of a server that was killed."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.sendall(self.word.encode())
