# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemon's methods, one typed Python method each."""

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from kapsule import names
from kapsule.client.connection import Connection, OnSignal
from kapsule.errors import KapsuleError

if TYPE_CHECKING:  # enter needs none of it
    from kapsule.options.schema import OptionValue


class ContainerRow(NamedTuple):
    """One container, as the daemon lists it; created is ISO 8601 with offset, or ""."""

    name: str
    status: str
    image: str
    created: str
    mode: str


class OwnedContainerRow(NamedTuple):
    """The same with its owner: the account's name, "" where there is none any more, and uid."""

    name: str
    status: str
    image: str
    created: str
    mode: str
    owner: str
    uid: int


class EnterReply(NamedTuple):
    """A session that runs.

    control: the socket for signals and the exit status. terminal: the master of the session's
    terminal, or None without one. notes: lines for the user. name: the container, also where the
    default one was asked for. The descriptors are the caller's.
    """

    control: int
    terminal: int | None
    notes: tuple[str, ...]
    name: str


class Bus(Connection):
    """The daemon, as a `with` block. Every method raises KapsuleError when it cannot be done.

    Methods that start an operation return its object path at once; client/operation.py follows it.
    """

    def __enter__(self) -> "Bus":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def list_containers(self) -> list[ContainerRow]:
        """Return the caller's containers; to root everybody's."""
        return [ContainerRow(*row) for row in self.call("ListContainers")[0]]

    def list_all_containers(self) -> list[OwnedContainerRow]:
        """Return everybody's containers, each with its owner."""
        return [OwnedContainerRow(*row) for row in self.call("ListAllContainers")[0]]

    def get_container_info(self, name: str) -> ContainerRow:
        """Return one container."""
        return ContainerRow(*self.call("GetContainerInfo", "s", (name,))[0])

    def describe(self, name: str) -> str:
        """Return all about a container, as JSON."""
        return self._text("Describe", "s", (name,))

    def get_config(self) -> dict[str, str]:
        """Return the caller's settings."""
        config: dict[str, str] = self.call("GetConfig")[0]
        if "error" in config:  # the interface has no D-Bus error here
            raise KapsuleError(config["error"])
        return config

    def list_images(self) -> str:
        """Return the images that Incus has, as JSON."""
        return self._text("ListImages")

    def create_container(self, name: str, image: str, options: "Mapping[str, OptionValue]") -> str:
        """Start to create a container.

        image: "" for the caller's default. options: those that were set, no others.
        """
        from kapsule.options.wire import to_variants  # as above

        return self._text("CreateContainer", "ssa{sv}", (name, image, to_variants(options)))

    def delete_container(self, name: str, *, force: bool = False) -> str:
        """Start to delete a container; a running one only by force."""
        return self._text("DeleteContainer", "sb", (name, force))

    def start_container(self, name: str) -> str:
        """Start to start a container."""
        return self._text("StartContainer", "s", (name,))

    def stop_container(self, name: str, *, force: bool = False) -> str:
        """Start to stop a container; by force: at once."""
        return self._text("StopContainer", "sb", (name, force))

    def restart_container(self, name: str, *, force: bool = False) -> str:
        """Start to restart a container; by force: without a shutdown."""
        return self._text("RestartContainer", "sb", (name, force))

    def add_mount(self, name: str, path: str) -> str:
        """Start to share a directory of the host with a container; path may end in `:ro`."""
        return self._text("AddMount", "ss", (name, path))

    def remove_mount(self, name: str, path: str) -> str:
        """Start to share it no longer."""
        return self._text("RemoveMount", "ss", (name, path))

    def describe_trust(self, name: str) -> str:
        """Return what crosses the border of a container, as JSON."""
        return self._text("DescribeTrust", "s", (name,))

    def change_trust(self, name: str, level: str, *, may_restart: bool) -> str:
        """Start to give a container another level of trust.

        may_restart: whether one that runs is restarted for it; otherwise that is refused.
        """
        return self._text("ChangeTrust", "ssb", (name, level, may_restart))

    def change_owner(self, name: str, uid: int) -> str:
        """Start to give a stopped container to the user with this uid."""
        return self._text("ChangeOwner", "su", (name, uid))

    def import_image(self, path: str, alias: str) -> str:
        """Start to import the image in a directory of the host."""
        return self._text("ImportImage", "ss", (path, alias))

    def delete_image(self, identifier: str) -> str:
        """Start to delete an image, by alias or fingerprint."""
        return self._text("DeleteImage", "s", (identifier,))

    def refresh_images(self, image: str) -> str:
        """Start to refresh a cached image; "" for all."""
        return self._text("RefreshImages", "s", (image,))

    def cancel(self, operation_path: str) -> None:
        """Ask to cancel an operation; its end comes with its signals."""
        self.tell_operation(operation_path, names.OPERATION_INTERFACE, "Cancel")

    def enter(
        self,
        name: str,
        command: Sequence[str],
        cwd: str,
        environment: Mapping[str, str],
        *,
        stdio: Sequence[int],
        terminal: Sequence[int],
        rows: int,
        columns: int,
        root: bool = False,
        on_signal: OnSignal | None = None,
    ) -> EnterReply:
        """Start a session in a container and return when it runs.

        name: "" for the caller's default. stdio: the descriptors for those of 0, 1 and 2 that are
        not in terminal, ascending. terminal: those of 0, 1, 2 that are the caller's terminal, which
        has this many rows and columns. on_signal: gets what the daemon says if that takes long.
        """
        options = {
            "terminal": ("au", list(terminal)),
            "rows": ("u", rows),
            "columns": ("u", columns),
            "root": ("b", root),
        }
        body = (name, list(command), cwd, dict(environment), list(stdio), options)
        control, terminals, notes, entered = self.call(
            "Enter", "sassa{ss}aha{sv}", body, on_signal=on_signal
        )
        received = [_own(descriptor) for descriptor in terminals]
        return EnterReply(
            _own(control),
            received[0] if received else None,
            tuple(notes),
            entered,
        )

    def _text(self, member: str, signature: str = "", body: tuple[Any, ...] = ()) -> str:
        return str(self.call(member, signature, body)[0])


def _own(received: Any) -> int:
    """Take a received descriptor over; no program that we start shall inherit it."""
    descriptor: int = received.to_raw_fd()
    os.set_inheritable(descriptor, False)
    return descriptor
