# SPDX-License-Identifier: GPL-3.0-or-later
"""`org.kde.kapsule.Manager`: check who calls, start the work, answer. No logic of its own."""

from collections.abc import Awaitable, Callable

from dbus_fast import PropertyAccess
from dbus_fast.annotations import DBusBool, DBusDict, DBusObjectPath, DBusStr, DBusUInt32
from dbus_fast.service import dbus_method, dbus_property, dbus_signal

from kapsule import __version__, names
from kapsule.containers.access import check_may_use
from kapsule.containers.container import Container
from kapsule.create.request import CreateRequest
from kapsule.daemon import signatures, wire
from kapsule.daemon.bus import close_all, current_call
from kapsule.daemon.callers import Caller, Callers
from kapsule.daemon.dbus_errors import answers, to_kapsule_error, wire_text
from kapsule.daemon.defaults import Defaults
from kapsule.daemon.features import Containers, Features, wait_until_loaded
from kapsule.daemon.interface import NamedInterface
from kapsule.daemon.operations import Operations
from kapsule.daemon.signatures import (
    ContainerStruct,
    ContainerStructs,
    Descriptors,
    Paths,
    PreparedEnter,
    Session,
    StringMap,
    Strings,
)
from kapsule.errors import InvalidArgument, KapsuleError, NotAuthorized, NotSupported
from kapsule.host.users import look_up
from kapsule.options.parse import parse_options
from kapsule.options.table import CREATE_OPTIONS
from kapsule.options.wire import from_variants, to_json
from kapsule.pipeline.progress import Progress

_NO_IMAGES = "This version of Kapsule cannot {} images yet"
_IMAGE_HINT = "Incus can: see `incus image --help`"


class Manager(NamedInterface):
    """The object that every client talks to.

    command: the absolute path of the `kapsule` command, for PrepareEnter.
    """

    results = signatures.RESULTS

    def __init__(
        self,
        callers: Callers,
        operations: Operations,
        containers: Containers,
        features: Features,
        defaults: Defaults,
        *,
        command: str,
    ) -> None:
        super().__init__(names.MANAGER_INTERFACE)
        self._callers = callers
        self._operations = operations
        self._containers = containers
        self._features = features
        self._defaults = defaults
        self._command = command
        containers.subscribe(self.ContainersChanged)

    @dbus_property(PropertyAccess.READ)
    def Version(self) -> DBusStr:
        """Kapsule's version."""
        return __version__

    @dbus_signal()
    def ContainersChanged(self) -> None:
        """What ListContainers answers has changed."""

    @dbus_method()
    @answers
    async def ListOperations(self) -> Paths:
        """Return the operations that run."""
        return self._operations.running

    @dbus_method()
    @answers
    async def GetCreateSchema(self) -> DBusStr:
        """Return the table of creation options as JSON."""
        return to_json(CREATE_OPTIONS)

    @dbus_method()
    @answers
    async def ListContainers(self) -> ContainerStructs:
        """Return all containers that are ready."""
        await wait_until_loaded(self._containers)
        return [wire.to_struct(container) for container in self._containers.all()]

    @dbus_method()
    @answers
    async def GetContainerInfo(self, name: DBusStr) -> ContainerStruct:
        """Return one container."""
        return wire.to_struct(await self._get(name))

    @dbus_method()
    @answers
    async def Describe(self, name: DBusStr) -> DBusStr:
        """Return one container as JSON; to its owner and root with options and devices."""
        container = await self._get(name)
        user = (await self._callers.identify()).user
        if user.uid not in (0, container.owner):
            return wire.to_json(container, {}, whole=False)
        return wire.to_json(container, await self._features.read_devices(name), whole=True)

    @dbus_method()
    @answers
    async def IsUserSetup(self, container_name: DBusStr, uid: DBusUInt32) -> DBusBool:
        """Return whether the user has an account in the container."""
        container = self._containers.find(container_name)
        return container is not None and container.is_set_up_for(uid)

    @dbus_method()
    @answers
    async def GetConfig(self) -> StringMap:
        """Return the caller's settings, or the one key `error`."""
        try:
            config = await self._defaults.config((await self._callers.identify()).user)
        except Exception as error:
            config = {"error": to_kapsule_error(error).to_text()}
        return {key: wire_text(value) for key, value in config.items()}

    @dbus_method()
    @answers
    async def ListImages(self) -> DBusStr:
        """Return Incus's images as JSON."""
        return await self._features.list_images()

    @dbus_method()
    @answers
    async def CreateContainer(
        self, name: DBusStr, image: DBusStr, options: DBusDict
    ) -> DBusObjectPath:
        """Create a container for the caller; image: "" for the caller's default."""
        caller = await self._callers.identify_admin()
        image = image or await self._defaults.image(caller.user)

        async def create(progress: Progress) -> None:
            parsed = parse_options(CREATE_OPTIONS, from_variants(options))
            async with self._containers.lock(name):
                await self._features.create(
                    CreateRequest(name, image, parsed, caller.user, may_be_privileged=True),
                    progress,
                )

        return self._operations.start("create", name, f"Create container {name}", caller, create)

    @dbus_method()
    @answers
    async def DeleteContainer(self, name: DBusStr, force: DBusBool) -> DBusObjectPath:
        """Delete a container; force: also one that runs."""
        return await self._change(
            "delete",
            "Delete container",
            name,
            lambda progress: self._features.delete(name, force, progress),
        )

    @dbus_method()
    @answers
    async def StartContainer(self, name: DBusStr) -> DBusObjectPath:
        """Start a container, or thaw it."""
        return await self._change(
            "start", "Start container", name, lambda progress: self._features.start(name, progress)
        )

    @dbus_method()
    @answers
    async def StopContainer(self, name: DBusStr, force: DBusBool) -> DBusObjectPath:
        """Stop a container; force: without a shutdown."""
        return await self._change(
            "stop",
            "Stop container",
            name,
            lambda progress: self._features.stop(name, force, progress),
        )

    @dbus_method()
    @answers
    async def RestartContainer(self, name: DBusStr, force: DBusBool) -> DBusObjectPath:
        """Stop a container and start it; force: without a shutdown."""
        return await self._change(
            "restart",
            "Restart container",
            name,
            lambda progress: self._features.restart(name, force, progress),
        )

    @dbus_method()
    @answers
    async def AddMount(self, name: DBusStr, path: DBusStr) -> DBusObjectPath:
        """Share a directory of the host with a container; path may end in `:ro`."""
        user = (await self._callers.identify_admin()).user
        return await self._change(
            "mount",
            "Share a directory with container",
            name,
            lambda progress: self._features.add_mount(name, path, user, progress),
        )

    @dbus_method()
    @answers
    async def RemoveMount(self, name: DBusStr, path: DBusStr) -> DBusObjectPath:
        """Share a directory with a container no longer."""
        user = (await self._callers.identify_admin()).user
        return await self._change(
            "unmount",
            "Take a directory out of container",
            name,
            lambda progress: self._features.remove_mount(name, path, user, progress),
        )

    @dbus_method()
    @answers
    async def SetupUser(
        self,
        container_name: DBusStr,
        uid: DBusUInt32,
        gid: DBusUInt32,
        username: DBusStr,
        home_dir: DBusStr,
    ) -> DBusObjectPath:
        """Give the caller, or for root any user, an account in a container."""
        caller = await self._callers.identify_admin()
        if caller.user.uid not in (0, uid):
            raise NotAuthorized("You can only set up your own account")
        user = await look_up(uid)
        if (user.gid, user.name, user.home) != (gid, username, home_dir):
            raise InvalidArgument(f"The account with uid {uid} is another one on this machine")
        return await self._change(
            "setup_user",
            f"Set up {user.name} in container",
            container_name,
            lambda progress: self._features.set_up_user(container_name, user, progress),
        )

    @dbus_method()
    @answers
    async def PrepareEnter(
        self, container_name: DBusStr, command: Strings, working_directory: DBusStr
    ) -> PreparedEnter:
        """Return (ok, error, argv): the command with which the caller enters the container."""
        try:
            caller = await self._callers.identify_admin()
            name, create = await self._target(caller, container_name)
            if create is None:
                check_may_use(caller.user.uid, self._containers.get(name))
        except KapsuleError as error:
            return [False, wire_text(error.to_text()), []]
        where = ["--cwd", working_directory] if working_directory else []
        what = ["--", *command] if command else []
        return [True, "", [self._command, "enter", "--no-osc", *where, name, *what]]

    @dbus_method()
    @answers
    async def Enter(
        self,
        container: DBusStr,
        command: Strings,
        working_directory: DBusStr,
        environment: StringMap,
        stdio: Descriptors,
        options: DBusDict,
    ) -> Session:
        """Start a session in a container, "" for the caller's default, and return its ends."""
        call = current_call()
        try:
            if not call.wants_reply:
                raise InvalidArgument("Enter makes no sense without a reply")
            caller = await self._callers.identify_admin()
            name, create = await self._target(caller, container)
            # Without any descriptor in the message, dbus-fast passes on the numbers in its body.
            received = [each if each in call.descriptors else None for each in stdio]
            request = wire.to_enter_request(
                name,
                command,
                working_directory,
                environment,
                received,
                options,
                caller.user,
                create,
            )
            reply = await self._operations.attend(
                "enter",
                name,
                f"Enter container {name}",
                caller,
                lambda progress: self._features.enter(request, progress),
            )
        finally:
            close_all(call.descriptors)
        terminal = [] if reply.terminal is None else [reply.terminal]
        return [reply.control, terminal, [wire_text(note) for note in reply.notes], name]

    @dbus_method()
    @answers
    async def RefreshImages(self, image: DBusStr) -> DBusObjectPath:
        """Not in this version."""
        raise NotSupported(_NO_IMAGES.format("refresh"), hint=_IMAGE_HINT)

    @dbus_method()
    @answers
    async def ImportImage(self, path: DBusStr, alias: DBusStr) -> DBusObjectPath:
        """Not in this version."""
        raise NotSupported(_NO_IMAGES.format("import"), hint=_IMAGE_HINT)

    @dbus_method()
    @answers
    async def DeleteImage(self, identifier: DBusStr) -> DBusObjectPath:
        """Not in this version."""
        raise NotSupported(_NO_IMAGES.format("delete"), hint=_IMAGE_HINT)

    async def _change(
        self, kind: str, what: str, name: str, work: Callable[[Progress], Awaitable[None]]
    ) -> str:
        """Start an operation on a container that must be the caller's. what: it is, in words."""
        caller = await self._callers.identify_admin()

        async def change(progress: Progress) -> None:
            async with self._containers.lock(name):
                check_may_use(caller.user.uid, await self._get(name))
                await work(progress)

        return self._operations.start(kind, name, f"{what} {name}", caller, change)

    async def _target(self, caller: Caller, name: str) -> tuple[str, CreateRequest | None]:
        """Return the container that the caller means, and how to make it if it is to be made."""
        await wait_until_loaded(self._containers)
        target, create = await self._defaults.target(name, caller.user)
        if create is None and self._containers.find(target) is None:
            self._containers.get(target)  # raises; one that is still being made is waited for later
        return target, create

    async def _get(self, name: str) -> Container:
        await wait_until_loaded(self._containers)
        return self._containers.get(name)
