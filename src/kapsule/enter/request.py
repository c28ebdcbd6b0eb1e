# SPDX-License-Identifier: GPL-3.0-or-later
"""What a caller asks for who wants to enter a container, and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kapsule.containers.backend import Backend
from kapsule.containers.container import Container
from kapsule.containers.guest import Login
from kapsule.create.request import CreateRequest
from kapsule.host.users import HostUser
from kapsule.pipeline.progress import Progress
from kapsule.session.folders import Folder
from kapsule.session.shares import Share


@dataclass(frozen=True, slots=True)
class EnterRequest:
    """Everything about one enter, complete and checked for shape.

    name: the container. command: the words to run, () for the login shell. cwd: where the caller
    is. environment: what passes from the caller. stdio: descriptors for those of 0, 1, 2 that are
    not on the caller's terminal, ascending. terminal: those that are. rows, columns: its size.
    root: be the container's root. create: how to make the container if it is missing, or None.
    """

    name: str
    command: tuple[str, ...]
    cwd: str
    environment: Mapping[str, str]
    stdio: tuple[int, ...]
    caller: HostUser
    terminal: tuple[int, ...] = ()
    rows: int = 24
    columns: int = 80
    root: bool = False
    create: CreateRequest | None = None


@dataclass(frozen=True, slots=True)
class EnterReply:
    """A session that runs.

    control: a socket to the session helper (session/monitor.py). terminal: the master of the
    session's terminal, or None. notes: what the user should know. The descriptors are the
    receiver's to close.
    """

    control: int
    terminal: int | None
    notes: tuple[str, ...]


@dataclass(slots=True)
class EnterContext:
    """One run of the enter pipeline. The steps put their results here.

    login: the user's login session. shares: what of the host's desktop is put in place. folders:
    the host's directories that are. passed: the environment without what the shares replace.
    """

    backend: Backend
    request: EnterRequest
    progress: Progress
    container: Container | None = None
    login: Login | None = None
    shares: tuple[Share, ...] = ()
    folders: tuple[Folder, ...] = ()
    passed: Mapping[str, str] = field(default_factory=dict)
    reply: EnterReply | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def entered(self) -> Container:
        """The container, once it was looked up."""
        assert self.container is not None
        return self.container
