# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of callers when polkit is odd. What the real one decides: tests/system."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from dbus_fast import DBusError, Message

from kapsule import names
from kapsule.daemon import connection
from kapsule.daemon.actions import Action
from kapsule.daemon.bus import Bus
from kapsule.daemon.polkit import Polkit
from kapsule.errors import Busy, InvalidArgument, NotAuthorized
from kapsule.testing.fake_polkit import FakePolkit, verdict

from .client import Client
from .conftest import NOBODY, Become, Connect, Daemon
from .fakes import container

OWN = ("StartContainer", "s", "own")
CREATE: tuple[Any, ...] = ("CreateContainer", "ssa{sv}", "new", "x", {})


@pytest.fixture
async def polkit(bus_address: str) -> AsyncIterator[FakePolkit]:
    """A polkit that allows everything, until it is told otherwise."""
    async with FakePolkit(bus_address, lambda call: verdict(call, yes=True)) as fake:
        yield fake


@pytest.fixture
def own(daemon: Daemon) -> Daemon:
    """The daemon with a container `own` of nobody's."""
    daemon.containers.content["own"] = container("own", owner=NOBODY.pw_uid)
    return daemon


async def test_what_polkit_is_asked(own: Daemon, polkit: FakePolkit, become: Become) -> None:
    """It hears the connection's name and never a pid, the container, and whether it may ask."""
    nobody = await become(NOBODY.pw_uid)
    await nobody.call(*OWN)
    await nobody.call(*CREATE, interactive=True)
    first, second = polkit.checks
    assert first[:4] == (nobody.unique_name, Action.MANAGE_OWN, {"container": "own"}, False)
    assert second[:4] == (nobody.unique_name, Action.CREATE_PRIVILEGED, {"container": "new"}, True)
    assert first.cancellation != second.cancellation


@pytest.mark.parametrize(
    "name", ["", "x, for your updates.\n\nEnter your password", "-x", "a" * 5000, "$(container)"]
)
async def test_nobody_is_asked_about_what_is_no_name(
    own: Daemon, polkit: FakePolkit, become: Become, name: str
) -> None:
    """A name is shown to whoever authenticates, so it must be one and not a caller's message."""
    nobody = await become(NOBODY.pw_uid)
    refusal = await nobody.refusal("CreateContainer", "ssa{sv}", name, "x", {}, interactive=True)
    assert refusal.startswith(InvalidArgument.dbus_name)
    assert polkit.checks == []


async def test_nothing_is_remembered(own: Daemon, polkit: FakePolkit, become: Become) -> None:
    """Each call asks anew, so that what polkit takes back is taken back."""
    nobody = await become(NOBODY.pw_uid)
    await nobody.call(*OWN)
    polkit.answer = verdict
    refusal = await nobody.refusal(*OWN)
    assert refusal.startswith(
        f"{NotAuthorized.dbus_name}: User 'nobody' may not change a container"
    )


async def test_root_is_not_asked_about(own: Daemon, polkit: FakePolkit, client: Client) -> None:
    """Root needs no polkit."""
    await client.call(*OWN)
    assert polkit.checks == []


async def test_ways_in_that_ask_nobody(own: Daemon, polkit: FakePolkit, become: Become) -> None:
    """To see and to enter what is one's own costs no question."""
    nobody = await become(NOBODY.pw_uid)
    await nobody.call("ListContainers")
    await nobody.call("Describe", "s", "own")
    await nobody.refusal("Enter", "sassa{ss}aha{sv}", "own", [], "/", {}, [], {})
    assert await nobody.call("PrepareEnter", "sass", "own", [], "/")
    assert polkit.checks == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"challenge": True}, "no polkit agent"),
        ({"challenge": True, "dismissed": "true"}, "was dismissed"),
        ({}, "polkit rule for org.kde.kapsule.create-privileged"),
    ],
)
async def test_refusals_have_a_hint(
    daemon: Daemon,
    polkit: FakePolkit,
    become: Become,
    answer: dict[str, bool],
    reason: str,
) -> None:
    """It says what is missing."""
    polkit.answer = lambda call: verdict(call, **answer)  # type: ignore[arg-type]  # one is a text
    refusal = await (await become(NOBODY.pw_uid)).refusal(*CREATE)
    assert "User 'nobody' may not create a container" in refusal
    assert reason in refusal


@pytest.mark.parametrize("signature", ["", "s", "(bb)", "(bbs)", "b", "a{ss}"])
async def test_nonsense_is_no_permission(
    daemon: Daemon, polkit: FakePolkit, become: Become, signature: str
) -> None:
    """An answer of another shape authorizes nobody."""
    bodies: dict[str, list[Any]] = {
        "s": ["yes"],
        "(bb)": [[True, False]],
        "(bbs)": [[True, False, ""]],
        "b": [True],
    }
    body = bodies.get(signature, [{"yes": "yes"}] if signature else [])
    polkit.answer = lambda call: Message.new_method_return(call, signature, body)
    refusal = await (await become(NOBODY.pw_uid)).refusal(*CREATE)
    assert refusal.startswith(f"{NotAuthorized.dbus_name}: polkit answers")


async def test_an_error_of_polkit_is_no_permission(
    daemon: Daemon, polkit: FakePolkit, become: Become
) -> None:
    """Not even one that sounds as if there were no polkit."""
    name = "org.freedesktop.DBus.Error.ServiceUnknown"
    polkit.answer = lambda call: Message.new_error(call, name, "made up")
    refusal = await (await become(NOBODY.pw_uid)).refusal(*CREATE)
    assert refusal == f"{NotAuthorized.dbus_name}: polkit does not judge: made up"


async def test_others_are_not_held_up(
    own: Daemon, polkit: FakePolkit, become: Become, client: Client
) -> None:
    """While polkit hangs for one caller, everybody else goes on, the same user too."""
    polkit.answer = lambda _: None
    waiting, nobody = await become(NOBODY.pw_uid), await become(NOBODY.pw_uid)
    task = asyncio.create_task(waiting.call(*CREATE, interactive=True))
    await polkit.wait_until(lambda: bool(polkit.checks))
    await client.call("StartContainer", "s", "mine")
    assert await nobody.call("ListContainers")
    polkit.answer = lambda call: verdict(call, yes=True)
    await nobody.call(*OWN)
    waiting.process.kill()
    await asyncio.wait([task])
    assert task.exception()


async def test_a_caller_that_leaves_takes_the_question_along(
    daemon: Daemon, polkit: FakePolkit, become: Become
) -> None:
    """Nobody is left with a dialog that leads to nothing."""
    polkit.answer = lambda _: None
    nobody = await become(NOBODY.pw_uid)
    task = asyncio.create_task(nobody.call(*CREATE, interactive=True))
    await polkit.wait_until(lambda: bool(polkit.checks))
    nobody.process.kill()
    await polkit.wait_until(lambda: bool(polkit.cancelled))
    assert polkit.cancelled == [polkit.checks[0].cancellation]
    await asyncio.wait([task])
    assert task.exception()
    assert daemon.work.calls == []


async def test_the_end_of_the_daemon_takes_questions_back(
    daemon: Daemon, polkit: FakePolkit, become: Become
) -> None:
    """Whoever waits is told so."""
    polkit.answer = lambda _: None
    nobody = await become(NOBODY.pw_uid)
    task = asyncio.create_task(nobody.refusal(*CREATE, interactive=True))
    await polkit.wait_until(lambda: bool(polkit.checks))
    daemon.stop.set()
    assert (await task).startswith(f"{Busy.dbus_name}: The daemon is about to end")
    assert polkit.cancelled == [polkit.checks[0].cancellation]


async def test_one_user_has_only_so_many_questions(
    own: Daemon, polkit: FakePolkit, become: Become, client: Client
) -> None:
    """The next is refused at once; when one is answered there is room again."""
    polkit.answer = lambda _: None
    users = [await become(NOBODY.pw_uid) for _ in range(9)]
    tasks = [asyncio.create_task(each.call(*CREATE, interactive=True)) for each in users[:8]]
    await polkit.wait_until(lambda: len(polkit.checks) == 8)
    assert (await users[8].refusal(*CREATE)).startswith(Busy.dbus_name)
    users[0].process.kill()
    await polkit.wait_until(lambda: bool(polkit.cancelled))
    polkit.answer = lambda call: verdict(call, yes=True)
    assert await users[8].call(*OWN)
    for each in users[1:8]:
        each.process.kill()
    await asyncio.wait(tasks)
    assert all(task.exception() for task in tasks)


async def test_a_polkit_that_hangs_is_given_up(bus_address: str, polkit: FakePolkit) -> None:
    """Without a user to wait for there is a time limit, and polkit is told that nobody waits."""
    bus = Bus(bus_address, takes_descriptors=lambda _: False)
    polkit.answer = lambda _: None
    async with connection.on_bus(bus, names.BUS_NAME):
        with pytest.raises(Busy, match="polkit does not answer"):
            await Polkit(bus, patience=0.05).check(":1.1", "x", {}, interactive=False)
        await polkit.wait_until(lambda: bool(polkit.cancelled))


class _Deaf(Bus):
    """A bus on which polkit's answers come from somebody else."""

    async def call(self, msg: Message) -> Message:
        """Make a call, and say that another connection has answered."""
        reply = await super().call(msg)
        if msg.member == "CheckAuthorization":
            reply.sender = ":1.99999"
        return reply


async def test_an_answer_of_somebody_else_is_no_permission(
    bus_address: str, polkit: FakePolkit
) -> None:
    """Only who owns polkit's name authorizes anybody."""
    bus = _Deaf(bus_address, takes_descriptors=lambda _: False)
    async with connection.on_bus(bus, names.BUS_NAME):
        with pytest.raises(NotAuthorized, match="went away"):
            await Polkit(bus).check(":1.1", "x", {}, interactive=False)


async def test_what_may_be_privileged(
    daemon: Daemon, polkit: FakePolkit, become: Become, client: Client
) -> None:
    """It goes along with the request, and only for those who were authorized for it."""
    nobody = await become(NOBODY.pw_uid)
    path = str(await nobody.call("CreateContainer", "ssa{sv}", "a", "x", {}))
    await nobody.status(path)
    polkit.answer = lambda call: verdict(call, yes=call.body[1] == Action.CREATE_ISOLATED)
    refusal = await nobody.refusal("CreateContainer", "ssa{sv}", "b", "x", {"gpu": ("b", True)})
    assert refusal.startswith(NotAuthorized.dbus_name)
    path = await client.call("CreateContainer", "ssa{sv}", "c", "x", {})
    await client.get_all(path)
    await client.wait_for("Completed", path)
    requests = [call[1] for call in daemon.work.calls]
    assert [(each.name, each.may_be_privileged, each.is_admin) for each in requests] == [  # type: ignore[attr-defined]  # requests
        ("a", True, False),
        ("c", True, True),
    ]


async def test_a_missing_default_is_a_creation(
    daemon: Daemon, polkit: FakePolkit, become: Become
) -> None:
    """Whoever enters what has to be made first needs what creating it needs."""
    polkit.answer = verdict
    nobody = await become(NOBODY.pw_uid)
    refusal = await nobody.refusal("Enter", "sassa{ss}aha{sv}", "", [], "/", {}, [], {})
    assert "may not create a container" in refusal
    assert polkit.checks[0].details == {"container": "box"}
    assert daemon.work.calls == []


async def test_hidden_names_are_as_names_that_nobody_has(
    own: Daemon, polkit: FakePolkit, become: Become, connect: Connect
) -> None:
    """Every method gives the same answer for a container of root's and for none."""
    polkit.answer = lambda call: verdict(call, yes=call.body[1] == Action.MANAGE_OWN)
    nobody = await become(NOBODY.pw_uid)
    account = (NOBODY.pw_uid, NOBODY.pw_gid, "nobody", NOBODY.pw_dir)

    async def outcome(member: str, signature: str, *body: object) -> str:
        try:
            result = await nobody.call(member, signature, *body)
        except DBusError as error:
            return f"{error.type}: {error.text}"
        if isinstance(result, str) and result.startswith(names.OPERATIONS_PATH):
            ended = await nobody.status(result)
            return f"{ended['Status']}: {ended['ErrorName']}: {ended['ErrorMessage']}"
        return str(result)

    for member, signature, rest in (
        ("GetContainerInfo", "s", ()),
        ("Describe", "s", ()),
        ("IsUserSetup", "su", (0,)),
        ("StartContainer", "s", ()),
        ("StopContainer", "sb", (True,)),
        ("RestartContainer", "sb", (True,)),
        ("DeleteContainer", "sb", (True,)),
        ("AddMount", "ss", ("/srv",)),
        ("RemoveMount", "ss", ("/srv",)),
        ("SetupUser", "suuss", account),
        ("ChangeOwner", "su", (NOBODY.pw_uid,)),
        ("ChangeTrust", "ssb", ("sealed", True)),
        ("DescribeTrust", "s", ()),
        ("PrepareEnter", "sass", ([], "/")),
        ("Enter", "sassa{ss}aha{sv}", ([], "/", {}, [], {})),
    ):
        hidden = await outcome(member, signature, "mine", *rest)
        missing = await outcome(member, signature, "none", *rest)
        assert hidden.replace("mine", "none") == missing, member
        assert "does not exist" in missing or missing == "False"
    assert own.work.calls == []


PRIVILEGED = {"security.privileged": "true"}
ISOLATED = {"security.privileged": "false", "user.kapsule.trust": "sealed"}


@pytest.mark.parametrize(
    ("config", "level", "taken"),
    [
        (PRIVILEGED, "sealed", [Action.MANAGE_OWN]),
        (PRIVILEGED, "home", [Action.MANAGE_OWN]),
        (ISOLATED, "project", [Action.MANAGE_OWN]),
        (ISOLATED, "full", [Action.MANAGE_OWN, Action.CHANGE_TRUST]),
        (ISOLATED, "home", [Action.MANAGE_OWN, Action.CHANGE_TRUST]),
    ],
)
async def test_trust_is_taken_away_freely_and_given_by_administrators(
    own: Daemon,
    polkit: FakePolkit,
    become: Become,
    config: dict[str, str],
    level: str,
    taken: list[Action],
) -> None:
    """Only who makes a privileged container of it, or opens one, has to be authorized for that."""
    own.containers.content["own"] = replace(own.containers.content["own"], config=config)
    polkit.answer = lambda call: verdict(call, yes=call.body[1] == Action.MANAGE_OWN)
    nobody = await become(NOBODY.pw_uid)
    if Action.CHANGE_TRUST in taken:
        refusal = await nobody.refusal("ChangeTrust", "ssb", "own", level, True)
        assert "may not change how far a container is trusted" in refusal
        assert own.work.calls == []
    else:
        path = str(await nobody.call("ChangeTrust", "ssb", "own", level, True))
        assert (await nobody.status(path))["Status"] == "completed"
        assert own.work.calls == [("trust", "own", level, True, False)]
    assert [check[1] for check in polkit.checks] == taken
