# SPDX-License-Identifier: GPL-3.0-or-later
"""Set a host user up in a running container: one look at its files, one change of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kapsule import names
from kapsule.containers.backend import Backend
from kapsule.containers.container import FROZEN, Container
from kapsule.containers.custom_mounts import stored_mounts
from kapsule.errors import Busy, GuestError
from kapsule.host.users import HostUser
from kapsule.incus import instances
from kapsule.pipeline.pipeline import Pipeline
from kapsule.pipeline.progress import Progress
from kapsule.session.guest_actions import Action, GuestFile
from kapsule.user_setup import account, home, linger, podman, subordinate_ids, sudo
from kapsule.user_setup.groups import join_groups
from kapsule.user_setup.guest_texts import ACCOUNT_FILES, read_accounts, write_accounts
from kapsule.user_setup.tables import Accounts

_ATTEMPTS = 3


@dataclass(slots=True)
class UserSetupContext:
    """One run: its input, and what the steps found and planned.

    files: what the guest has at the paths that matter. before: its account files. accounts: the
    same as planned. actions: what else is to be done. undo: what takes back what was done.
    """

    backend: Backend
    name: str
    user: HostUser
    progress: Progress
    files: dict[str, GuestFile | None] = field(default_factory=dict)
    before: Accounts = field(default_factory=Accounts)
    accounts: Accounts = field(default_factory=Accounts)
    actions: list[Action] = field(default_factory=list)
    undo: list[Action] = field(default_factory=list)


USER_SETUP = Pipeline[UserSetupContext]("user-setup", "Give a user an account in a container")


async def set_up_user(backend: Backend, name: str, user: HostUser, progress: Progress) -> None:
    """Give the user an account, a home and sudo in a running container, and mark them set up.

    Does nothing that is done already. Root has an account in every guest and is only marked.
    The caller holds the container's lock. Raises InvalidArgument for a user that no guest can
    have, GuestError when the guest's files cannot be changed, Busy when it does not run or is
    frozen, IncusError. After a failure the guest is as it was.
    """
    account.check_user(user)
    _check_awake(backend, name)
    if user.uid == 0:
        await _mark(backend, name, user, "true")
        return
    with progress.bar(f"Setting up {user.name} in {name}"):
        for attempt in range(1, _ATTEMPTS + 1):
            context = UserSetupContext(backend, name, user, progress)
            try:
                await USER_SETUP.run(context)
                return
            except GuestError:
                if attempt == _ATTEMPTS or not await _has_changed(context):
                    raise


def _check_awake(backend: Backend, name: str) -> None:
    """Raise Busy for a frozen container: what is begun in it would be frozen, too."""
    container = backend.registry.find(name)
    if container and container.status == FROZEN:
        raise Busy(f"Container '{name}' is frozen", hint=f"Thaw it with: kapsule start {name}")


async def _has_changed(context: UserSetupContext) -> bool:
    """Say whether the guest's files are others than the plan was made for."""
    now = await context.backend.guests.read(context.name, list(context.files))
    return now != context.files


async def _mark(backend: Backend, name: str, user: HostUser, value: str | None) -> None:
    await instances.patch_config(backend.incus, name, {names.key_mapped(user.uid): value})
    await backend.registry.refresh(name)


@USER_SETUP.step(100)
async def read_guest(context: UserSetupContext) -> None:
    """Read what the guest has at all paths that matter, at once."""
    user = context.user
    paths = {*ACCOUNT_FILES, *subordinate_ids.SUBORDINATE_FILES, *sudo.sudo_paths(user)}
    paths |= {*linger.linger_paths(user), podman.PODMAN}
    paths |= {user.shell, *account.FALLBACK_SHELLS, home.home_path(user), home.SKELETON}
    absolute = sorted(path for path in paths if path.startswith("/"))
    context.files = await context.backend.guests.read(context.name, absolute)
    context.before = context.accounts = read_accounts(context.files)


@USER_SETUP.step(200)
async def plan_account(context: UserSetupContext) -> None:
    """Plan the account: name, uid, primary group, home path and shell."""
    shell = account.choose_shell(context.user, context.files)
    context.accounts = account.plan_account(context.accounts, context.user, shell)


@USER_SETUP.step(300)
async def plan_groups(context: UserSetupContext) -> None:
    """Plan membership in the groups for administration and devices."""
    context.accounts = join_groups(context.accounts, context.user)


@USER_SETUP.step(400)
async def plan_home(context: UserSetupContext) -> None:
    """Plan the home directory, where the host's is not mounted; fill an empty folder of theirs."""
    former = account.former_uids(context.before.passwd, context.user)
    config = await _config(context)
    mounts = home.mounts_in_home(stored_mounts(config), context.user)
    folder = mounts if names.KEY_HOME in config else None
    context.actions += home.plan_home(context.files, context.user, former, folder=folder)


@USER_SETUP.step(500)
async def plan_sudo(context: UserSetupContext) -> None:
    """Plan the rules that let the user become root without a password."""
    context.actions += sudo.plan_sudo(context.files, context.user)


@USER_SETUP.step(600)
async def plan_subordinate_ids(context: UserSetupContext) -> None:
    """Plan the ranges of ids for rootless containers."""
    former = account.former_names(context.before.passwd, context.user)
    context.actions += subordinate_ids.plan_subordinate_ids(context.files, context.user, former)


@USER_SETUP.step(650)
async def plan_linger(context: UserSetupContext) -> None:
    """Plan that the user's own services run, where the container has a session of its own."""
    if await _has_own_session(context):
        context.actions += linger.plan_linger(context.files, context.user)


@USER_SETUP.step(660)
async def plan_podman(context: UserSetupContext) -> None:
    """Plan how Podman works, with a session of the user's own and without."""
    own_session = await _has_own_session(context)
    context.actions += podman.plan_podman(context.files, own_session=own_session)


async def _has_own_session(context: UserSetupContext) -> bool:
    container = await _container(context)
    return container is not None and container.has_own_session


async def _config(context: UserSetupContext) -> Mapping[str, str]:
    container = await _container(context)
    return container.config if container else {}


async def _container(context: UserSetupContext) -> Container | None:
    registry, name = context.backend.registry, context.name
    return registry.find(name) or await registry.refresh(name)


async def _take_back(context: UserSetupContext) -> None:
    if context.undo:
        await context.backend.guests.apply(context.name, context.undo)


@USER_SETUP.step(700, undo=_take_back)
async def apply(context: UserSetupContext) -> None:
    """Change the guest's files as planned, all of them or none."""
    accounts = write_accounts(context.files, context.accounts)
    actions = [*accounts, *context.actions]
    if actions:
        context.undo = await context.backend.guests.apply(context.name, actions)


async def _unmark(context: UserSetupContext) -> None:
    await _mark(context.backend, context.name, context.user, None)


@USER_SETUP.step(800, undo=_unmark)
async def mark_set_up(context: UserSetupContext) -> None:
    """Note in the container's configuration that the user is set up."""
    await _mark(context.backend, context.name, context.user, "true")
