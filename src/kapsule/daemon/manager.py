# SPDX-License-Identifier: GPL-3.0-or-later
"""`org.kde.kapsule.Manager`: check who calls, start the work, answer. No logic of its own."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from dbus_fast.annotations import DBusBool, DBusDict, DBusObjectPath, DBusStr, DBusUInt32
from dbus_fast.service import dbus_method

from kapsule.containers.container import check_name
from kapsule.create.request import CreateRequest
from kapsule.daemon import wire
from kapsule.daemon.actions import Action, creation_action
from kapsule.daemon.bus import current_call
from kapsule.daemon.callers import Caller
from kapsule.daemon.changing import Changing
from kapsule.daemon.closing import close_soon
from kapsule.daemon.dbus_errors import answers, wire_text
from kapsule.daemon.features import wait_until_loaded
from kapsule.daemon.reading import Services
from kapsule.daemon.signatures import Descriptors, PreparedEnter, Session, StringMap, Strings
from kapsule.enter.request import EnterReply, EnterRequest
from kapsule.errors import (
    InvalidArgument,
    KapsuleError,
    NotAuthorized,
    NotSupported,
)
from kapsule.host.users import look_up
from kapsule.options.parse import parse_options
from kapsule.options.table import CREATE_OPTIONS
from kapsule.options.wire import from_variants
from kapsule.pipeline.progress import Progress
from kapsule.trust import TrustRequest

_NO_IMAGES = "This version of Kapsule cannot {} images yet"
_IMAGE_HINT = "Incus can: see `incus image --help`"


class Manager(Changing):
    """The object that every client talks to.

    command: the absolute path of the `kapsule` command, for PrepareEnter.

    Every method raises what Callers.identify() raises. Those that change something return the path
    of an operation: what goes wrong from then on is how that ends. Sight says who may.
    """

    def __init__(self, services: Services, *, command: str) -> None:
        super().__init__(services)
        self._command = command

    @dbus_method()
    @answers
    async def CreateContainer(
        self, name: DBusStr, image: DBusStr, options: DBusDict
    ) -> DBusObjectPath:
        """Create a container for the caller.

        image: `SERVER:ALIAS`, "" for the caller's default. options: keys and types of the table
        (options/table.py). Raises InvalidArgument for the name, NotAuthorized, and Busy while the
        caller has too many operations.
        """
        caller = await self._callers.identify()
        values = from_variants(options)
        wanted = CreateRequest(name, "", {}, caller.user)
        wanted = await self._authorize_creation(caller, wanted, creation_action(values))
        wanted = replace(wanted, image=image or await self._defaults.image(caller.user))

        async def create(progress: Progress) -> None:
            request = replace(wanted, options=parse_options(CREATE_OPTIONS, values))
            with self._creations.claim(name, caller.user, is_exempt=request.is_admin):
                async with self._containers.lock(name):
                    await self._features.create(request, progress)

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
        """Share a directory of the host with a container.

        path: absolute, `~` or `~/...`, and `:ro` or `:rw` at its end or neither.
        """
        user = (await self._callers.identify()).user
        return await self._change(
            "mount",
            "Share a directory with container",
            name,
            lambda progress: self._features.add_mount(name, path, user, progress),
            # Whose rights would count, when an administrator shares a directory with a container
            # whose owner is root in it? Only these two have that right in any case.
            only_own=True,
        )

    @dbus_method()
    @answers
    async def RemoveMount(self, name: DBusStr, path: DBusStr) -> DBusObjectPath:
        """Share a directory with a container no longer. path: as for AddMount."""
        user = (await self._callers.identify()).user
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
        """Give the caller, or for root any user, an account in a container.

        uid: whose account. gid, username, home_dir: what this machine knows of that account. Raises
        NotAuthorized for an account of somebody else's, NotFound where there is none,
        InvalidArgument where it is another one here.
        """
        caller = await self._callers.identify()
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
            only_own=True,
        )

    @dbus_method()
    @answers
    async def ChangeOwner(self, name: DBusStr, uid: DBusUInt32) -> DBusObjectPath:
        """Give a stopped container to another user. uid: the new owner's.

        Raises NotAuthorized, also to the owner without `manage-others`.
        """
        return await self._start_change(
            "chown",
            f"Change the owner of container {name}",
            name,
            lambda progress: self._features.change_owner(name, uid, progress),
            await self._callers.identify(),
            self._sight.check_may_give,
        )

    @dbus_method()
    @answers
    async def ChangeTrust(
        self, name: DBusStr, level: DBusStr, may_restart: DBusBool
    ) -> DBusObjectPath:
        """Give a container another level of trust.

        level: a preset of the table. may_restart: whether one that runs is restarted for it.
        Raises InvalidArgument for the level, NotAuthorized where it would open the container.
        """
        may_open = False

        async def check(caller: Caller, name: str) -> int:
            nonlocal may_open
            owner, may_open = await self._sight.check_may_trust(caller, name, level)
            return owner

        return await self._start_change(
            "trust",
            f"Change the trust of container {name}",
            name,
            lambda progress: self._features.change_trust(
                TrustRequest(name, level, may_restart, may_open), progress
            ),
            await self._callers.identify(),
            check,
        )

    @dbus_method()
    @answers
    async def PrepareEnter(
        self, container_name: DBusStr, command: Strings, working_directory: DBusStr
    ) -> PreparedEnter:
        """Return (ok, error, argv): the command with which the caller enters the container.

        container_name: "" for the caller's default. command: none for the login shell.
        working_directory: absolute, "" for the one in which argv is executed. Raises nothing: what
        goes wrong is the error text.
        """
        try:
            caller = await self._callers.identify()
            name, create = await self._target(caller, container_name)
            if create is None:
                self._containers.get(name)  # raises; one that is still being created
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
        """Start a session in a container and return (control, terminal, notes, name).

        container: "" for the caller's default, which is made where there is none. command: none for
        the login shell. working_directory: absolute, or "". environment: what comes along.
        stdio: descriptors for those of 0, 1 and 2 that are on no terminal, ascending. options:
        `terminal`, `rows`, `columns`, `root`. docs/dbus-api.md says all about them.
        Raises InvalidArgument for what does not fit together, NotFound, NotAuthorized, and what the
        way into the container raises.
        """
        call = current_call()
        try:
            if not call.wants_reply:
                raise InvalidArgument("Enter makes no sense without a reply")
            caller = await self._callers.identify()
            name, create = await self._target_to_enter(caller, container)
            # Without any descriptor in the message, dbus-fast passes on the numbers in its body.
            received = [each if each in call.descriptors else None for each in stdio]
            said = (command, working_directory, environment, received, options)
            request = wire.to_enter_request(name, *said, caller.user, create)
            return _session(name, await self._attend(caller, request))
        finally:
            close_soon(call.descriptors)

    @dbus_method()
    @answers
    async def RefreshImages(self, image: DBusStr) -> DBusObjectPath:
        """Not in this version."""
        await self._authorizer.authorize(await self._callers.identify(), Action.MANAGE_IMAGES)
        raise NotSupported(_NO_IMAGES.format("refresh"), hint=_IMAGE_HINT)

    @dbus_method()
    @answers
    async def ImportImage(self, path: DBusStr, alias: DBusStr) -> DBusObjectPath:
        """Not in this version."""
        await self._authorizer.authorize(await self._callers.identify(), Action.IMPORT_IMAGE)
        raise NotSupported(_NO_IMAGES.format("import"), hint=_IMAGE_HINT)

    @dbus_method()
    @answers
    async def DeleteImage(self, identifier: DBusStr) -> DBusObjectPath:
        """Not in this version."""
        await self._authorizer.authorize(await self._callers.identify(), Action.MANAGE_IMAGES)
        raise NotSupported(_NO_IMAGES.format("delete"), hint=_IMAGE_HINT)

    async def _authorize_creation(
        self, caller: Caller, request: CreateRequest, action: Action
    ) -> CreateRequest:
        """Return the request with what the caller may. action: what they need in any case.

        Raises InvalidArgument for what cannot be a name: an agent shows it to who authenticates.
        """
        check_name(request.name)
        await self._authorizer.authorize(caller, action, request.name)
        is_admin = await self._authorizer.is_admin(caller.user)
        may_be_privileged = is_admin or action is Action.CREATE_PRIVILEGED
        return replace(request, may_be_privileged=may_be_privileged, is_admin=is_admin)

    async def _attend(self, caller: Caller, request: EnterRequest) -> EnterReply:
        """Enter while the caller waits; an operation of theirs shows it if it takes long."""
        return await self._operations.attend(
            "enter",
            request.name,
            f"Enter container {request.name}",
            caller,
            lambda progress: self._enter(request, progress),
        )

    async def _enter(self, request: EnterRequest, progress: Progress) -> EnterReply:
        create = request.create
        claim: AbstractContextManager[None] = nullcontext()
        if create:
            claim = self._creations.claim(create.name, create.owner, is_exempt=create.is_admin)
        with claim:
            return await self._features.enter(request, progress)

    async def _target(self, caller: Caller, name: str) -> tuple[str, CreateRequest | None]:
        """Return the container of the caller's that they mean, and how to make it if it is to be.

        One that is still being created is waited for later.
        """
        await wait_until_loaded(self._containers)
        target, create = await self._defaults.target(name, caller.user)
        if create is None:
            await self._sight.check_is_own(caller, target)
        return target, create

    async def _target_to_enter(self, caller: Caller, name: str) -> tuple[str, CreateRequest | None]:
        """Do as _target(), with the authorization to make what is to be made."""
        target, create = await self._target(caller, name)
        if create:
            action = creation_action(create.options)
            create = await self._authorize_creation(caller, create, action)
        return target, create


def _session(name: str, reply: EnterReply) -> list[object]:
    terminal = [] if reply.terminal is None else [reply.terminal]
    return [reply.control, terminal, [wire_text(note) for note in reply.notes], name]
