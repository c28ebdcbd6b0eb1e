# SPDX-License-Identifier: GPL-3.0-or-later
"""The way into a container. When it is warm, no step but the last one waits for anything."""

import logging
import os

from kapsule.containers.access import check_may_use
from kapsule.containers.container import RUNNING, Container
from kapsule.containers.guest import Reply
from kapsule.containers.start import start_container
from kapsule.create import create_container
from kapsule.create.folders import caller_of, folders_of, owned_by
from kapsule.enter import desktop
from kapsule.enter.missing import missing_directories
from kapsule.enter.request import EnterContext, EnterReply
from kapsule.errors import Busy, GuestError, NoAccount
from kapsule.pipeline.pipeline import Pipeline
from kapsule.session import mount_requests, protocol
from kapsule.session.sharing import Plan
from kapsule.user_setup import set_up_user

log = logging.getLogger(__name__)

ENTER = Pipeline[EnterContext]("enter", "Enter a container")


@ENTER.step(100)
async def create_missing(context: EnterContext) -> None:
    """Create the caller's default container where it does not exist yet."""
    request, registry = context.request, context.backend.registry
    if request.create is None or registry.find(request.name):
        return
    async with registry.lock(request.name):
        if registry.find(request.name) is None:
            await create_container(context.backend, request.create, context.progress)


@ENTER.step(200)
async def look_up(context: EnterContext) -> None:
    """Find the container and check that it is the caller's; wait while an operation has it."""
    name, registry = context.request.name, context.backend.registry
    busy = registry.lock(name)
    if busy.locked():  # it is being created, or a start is being undone: its state is passing
        async with busy:
            log.info("waited for the operation on %s", name)
    context.container = _callers_own(context)


@ENTER.step(300)
async def ensure_running(context: EnterContext) -> None:
    """Start a container that is stopped, thaw one that is frozen."""
    if context.entered.status == RUNNING:
        return
    name, registry = context.request.name, context.backend.registry
    async with registry.lock(name):
        if _callers_own(context).status != RUNNING:
            await start_container(context.backend, name, context.progress)
        context.container = _callers_own(context)


@ENTER.step(400)
async def ensure_account(context: EnterContext) -> None:
    """Set the user up in a container that does not know them yet."""
    if not _as_root(context) and not context.entered.is_set_up_for(context.request.caller.uid):
        await _set_up(context)


@ENTER.step(500)
async def open_login(context: EnterContext) -> None:
    """Take the user's login session in the container, and open one where there is none."""
    if _as_root(context):
        return
    try:
        await _open_login(context)
    except NoAccount:  # it was removed inside the container
        await _set_up(context)
        await _open_login(context)


@ENTER.step(600)
async def plan_desktop(context: EnterContext) -> None:
    """Decide which of the caller's sockets the session shares."""
    request, container = context.request, context.entered
    shares_network = container.shares_network and container.has_desktop
    given = {"shares_network": shares_network, "with_x11": container.has_x11}
    context.passed = desktop.passed(request.environment, **given)
    if _as_root(context):
        return
    place = desktop.Place(
        request.environment, request.caller.home, f"/run/user/{request.caller.uid}"
    )
    context.passed = {**context.passed, "XDG_RUNTIME_DIR": place.runtime}
    if container.has_desktop:
        context.shares = desktop.plan(
            place,
            with_bus=not container.has_own_session,
            with_x11=container.has_x11,
            isolated=container.is_isolated,
        )
        context.notes += desktop.refused(request.environment, **given)


@ENTER.step(640)
async def plan_folders(context: EnterContext) -> None:
    """Decide which of its owner's directories an isolated container shows."""
    caller = context.request.caller
    if caller.uid == context.entered.owner:
        context.folders = folders_of(context.entered.config, caller)


@ENTER.step(650)
async def note_missing_directories(context: EnterContext) -> None:
    """Say which of the directories that it shares are gone from the host."""
    caller = context.request.caller
    if caller.uid == context.entered.owner and not context.entered.is_isolated:
        gone = await missing_directories(context.entered, caller)
        context.notes += [f"{path} is not there; the container goes without it" for path in gone]


async def _end_session(context: EnterContext) -> None:
    """Close what leads to the session; its helper ends it then."""
    if reply := context.reply:
        ends = (reply.control, reply.terminal)
        protocol.close_all([each for each in ends if each is not None])


@ENTER.step(700, undo=_end_session)
async def start_session(context: EnterContext) -> None:
    """Have the session helper start the shell or the command."""
    context.notes += [context.login.note] if context.login and context.login.note else []
    try:
        reply = await _start(context)
    except NoAccount:
        await _set_up(context)
        reply = await _start(context)
    context.reply = _accept(reply, context.notes)


@ENTER.step(800)
async def take_withdrawn_folders(context: EnterContext) -> None:
    """Take away what somebody unshared while this session put it in place."""
    if not context.folders:
        return
    container = _callers_own(context)
    shared = {each.target for each in folders_of(container.config, context.request.caller)}
    withdrawn = [each.target for each in context.folders if each.target not in shared]
    if withdrawn and (left := await context.backend.guests.unmount(container.name, withdrawn)):
        raise GuestError(left[0], hint="Stop the container first")


def _callers_own(context: EnterContext) -> Container:
    """Return the container as it is now, which still has to be the caller's.

    Asked after every wait: it may have been deleted, and the name become somebody else's. Raises
    NotAuthorized, and what the registry's get() raises.
    """
    container = context.backend.registry.get(context.request.name)
    check_may_use(context.request.caller, container)
    return container


def _as_root(context: EnterContext) -> bool:
    """Whether the session is root's: it needs no account, and must work where logins don't."""
    return context.request.root or context.request.caller.uid == 0


async def _set_up(context: EnterContext) -> None:
    name, registry = context.request.name, context.backend.registry
    async with registry.lock(name):
        _callers_own(context)
        await set_up_user(context.backend, name, context.request.caller, context.progress)


async def _open_login(context: EnterContext) -> None:
    caller, own_session = context.request.caller, context.entered.has_own_session
    context.login = await context.backend.guests.login(
        context.request.name, caller.name, caller.uid, own_session=own_session
    )


async def _start(context: EnterContext) -> Reply:
    request, login, guests = context.request, context.login, context.backend.guests
    boot = await guests.boot(request.name)
    _callers_own(context)
    if login and login.boot != boot:
        raise Busy(f"Container '{request.name}' was restarted in the meantime", hint="Try again.")
    pidfds = [boot.pidfd] if login is None or login.pidfd is None else [boot.pidfd, login.pidfd]
    message = {
        "init": boot.pid,
        "login": login.pid if login else None,
        "environment": login.environment if login else {},
        "groups": login.groups if login else [],
        "name": "root" if _as_root(context) else request.caller.name,
        "uid": 0 if _as_root(context) else request.caller.uid,
        "container": request.name,
        "command": request.command,
        "cwd": request.cwd,
        "passed": dict(context.passed),
        "plan": mount_requests.plan_to_wire(_plan(context)),
        "counted": request.caller.uid,
        "most": context.backend.max_sessions if request.caller.uid else 0,
        "terminal": request.terminal,
        "rows": request.rows,
        "columns": request.columns,
    }
    return await guests.call("start", message, [*pidfds, *request.stdio])


def _plan(context: EnterContext) -> Plan:
    caller = context.request.caller
    return Plan(caller_of(caller), context.shares, context.folders, owned_by(caller))


def _accept(reply: Reply, notes: list[str]) -> EnterReply:
    """Take over the descriptors of a session that runs."""
    terminal = reply.descriptors[0] if reply.descriptors else None
    protocol.close_all(reply.descriptors[1:])
    control = os.dup(reply.channel.fileno())
    reply.channel.close()
    return EnterReply(control, terminal, (*notes, *map(str, reply.message.get("notes", ()))))
