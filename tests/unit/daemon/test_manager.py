# SPDX-License-Identifier: GPL-3.0-or-later
import json
import os
import pwd

import pytest
from dbus_fast import DBusError, MessageFlag, Variant

from kapsule import __version__, names
from kapsule.config import Config
from kapsule.create.request import CreateRequest
from kapsule.options.table import CREATE_OPTIONS
from kapsule.options.wire import to_json

from .client import PROPERTIES, Client
from .conftest import ALICE, COMMAND, Connect, Daemon
from .fakes import container

ERROR = "org.kde.kapsule.Error."
MINE = ("mine", "Running", "Debian", "2026-02-11T06:31:22+00:00", "Default")


async def end_of(client: Client, path: str) -> tuple[bool, str]:
    """Wait until an operation ends; return success and error."""
    await client.get_all(path)
    success, error = (await client.wait_for("Completed", path)).body
    return success, error


async def test_version_is_a_property(client: Client) -> None:
    """Version is what the package says, and cannot be set."""
    manager = names.MANAGER_INTERFACE
    value = await client.call("Get", "ss", manager, "Version", interface=PROPERTIES)
    assert value == Variant("s", __version__)
    body = (manager, "Version", Variant("s", "9"))
    with pytest.raises(DBusError, match="readonly"):
        await client.call("Set", "ssv", *body, interface=PROPERTIES)


async def test_containers_are_listed_as_structs(client: Client) -> None:
    """Each container is name, status, image, created and mode, in the order of names."""
    rows = await client.call("ListContainers")
    assert [row[0] for row in rows] == ["alices", "mine"]
    assert rows[1] == MINE
    assert await client.call("GetContainerInfo", "s", "mine") == MINE


async def test_half_made_containers_are_not_listed(client: Client, daemon: Daemon) -> None:
    """A container that is still being created is not shown and cannot be used."""
    daemon.containers.content["half"] = container("half", setup_state=names.SETUP_CREATING)
    assert "half" not in [row[0] for row in await client.call("ListContainers")]
    with pytest.raises(DBusError, match="still being created") as raised:
        await client.call("GetContainerInfo", "s", "half")
    assert raised.value.type == ERROR + "Busy"


async def test_hostile_texts_do_not_break_the_list(client: Client, daemon: Daemon) -> None:
    """An image with a NUL or half a character in its description ends nobody's connection."""
    bad = container("bad")
    daemon.containers.content["bad"] = type(bad)(
        "bad", bad.status, 0, "a\0b\ud800c", bad.created, bad.config
    )
    assert ("bad", "Running", "a\ufffdb?c", MINE[3], "Default") in await client.call(
        "ListContainers"
    )


@pytest.mark.parametrize("member", ["GetContainerInfo", "Describe"])
async def test_a_missing_container_is_a_named_error(client: Client, member: str) -> None:
    """The error has our name and says which container."""
    with pytest.raises(DBusError, match="Container 'none' does not exist") as raised:
        await client.call(member, "s", "none")
    assert raised.value.type == ERROR + "NotFound"


async def test_describe_tells_the_owner_everything(client: Client, daemon: Daemon) -> None:
    """Options have the types of the table, whatever somebody wrote into the configuration."""
    daemon.containers.content["dev"] = container(
        "dev", gpu="false", custom_mounts='["/srv", 1]', mount_home="true"
    )
    described = json.loads(await client.call("Describe", "s", "dev"))
    assert described["owner"] == 0
    assert described["devices"] == {"root": {"type": "disk", "path": "/"}}
    assert described["options"]["gpu"] is False
    assert described["options"]["custom_mounts"] == ["/srv"]
    assert set(described["options"]) == {option.key for option in CREATE_OPTIONS.options}


async def test_the_schema_and_the_images_are_json(client: Client) -> None:
    """GetCreateSchema is the option table, ListImages the images for the caller."""
    assert await client.call("GetCreateSchema") == to_json(CREATE_OPTIONS)
    (image,) = json.loads(await client.call("ListImages"))
    assert image == {"fingerprint": "abc", "uid": 0, "is_admin": True}


async def test_create_hands_over_what_was_asked_for(client: Client, daemon: Daemon) -> None:
    """Options are peeled however often they are wrapped, and belong to the caller."""
    options = {
        "gpu": Variant("v", Variant("b", False)),
        "custom_mounts": Variant("av", [Variant("s", "/srv"), Variant("s", "~/x")]),
    }
    path = await client.call("CreateContainer", "ssa{sv}", "new", "local:debian", options)
    assert await end_of(client, path) == (True, "")
    [(_, request)] = daemon.work.calls
    assert isinstance(request, CreateRequest)
    assert (request.name, request.image) == ("new", "local:debian")
    assert request.options == {"gpu": False, "custom_mounts": ("/srv", "~/x")}
    assert request.owner.uid == os.geteuid()


async def test_create_without_image_takes_the_default(client: Client, daemon: Daemon) -> None:
    """An empty image means the caller's default_image."""
    await end_of(client, await client.call("CreateContainer", "ssa{sv}", "new", "", {}))
    [(_, request)] = daemon.work.calls
    assert isinstance(request, CreateRequest)
    assert request.image == "local:debian"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"nonsense": Variant("b", True)}, "Unknown options: nonsense"),
        ({"gpu": Variant("s", "yes")}, "must be true or false"),
        ({"gpu": Variant("a{sv}", {"x": Variant("s", "y")})}, "must be true or false"),
    ],
)
async def test_bad_options_fail_through_the_operation(
    client: Client, daemon: Daemon, options: dict[str, Variant], text: str
) -> None:
    """A path comes back, the operation says what is wrong, and nothing was begun."""
    path = await client.call("CreateContainer", "ssa{sv}", "new", "x", options)
    success, error = await end_of(client, path)
    assert not success
    assert text in error
    assert daemon.work.calls == []


@pytest.mark.parametrize(
    ("member", "signature", "arguments", "call"),
    [
        ("StartContainer", "s", (), ("start", "mine")),
        ("StopContainer", "sb", (True,), ("stop", "mine", True)),
        ("RestartContainer", "sb", (False,), ("restart", "mine", False)),
        ("AddMount", "ss", ("~/x:ro",), ("mount", "mine", "~/x:ro", os.getuid())),
        ("RemoveMount", "ss", ("/x",), ("unmount", "mine", "/x", os.getuid())),
        ("DeleteContainer", "sb", (True,), ("delete", "mine", True)),
    ],
)
async def test_changes_are_operations(
    client: Client,
    daemon: Daemon,
    member: str,
    signature: str,
    arguments: tuple[bool, ...],
    call: tuple[object, ...],
) -> None:
    """Each change answers with an operation whose type and target say what it does."""
    path = await client.call(member, signature, "mine", *arguments)
    properties = await client.get_all(path)
    assert (properties["Type"], properties["Target"]) == (call[0], "mine")
    assert properties["Id"] == path.rpartition("/")[2]
    assert "mine" in properties["Description"]
    assert await end_of(client, path) == (True, "")
    assert daemon.work.calls == [call]


@pytest.mark.parametrize("member", ["StartContainer", "StopContainer", "DeleteContainer"])
async def test_a_change_of_a_missing_container_fails_through_the_operation(
    client: Client, member: str
) -> None:
    """Clients that wait for Completed get the reason there."""
    arguments = ("none",) if member == "StartContainer" else ("none", False)
    path = await client.call(member, "s" if len(arguments) == 1 else "sb", *arguments)
    success, error = await end_of(client, path)
    assert not success
    assert "Container 'none' does not exist" in error
    assert (await client.get_all(path))["ErrorName"] == ERROR + "NotFound"


@pytest.mark.parametrize(
    ("member", "signature", "arguments"),
    [
        ("RefreshImages", "s", ("",)),
        ("ImportImage", "ss", ("/tmp", "x")),
        ("DeleteImage", "s", ("x",)),
    ],
)
async def test_what_is_not_there_yet_says_so(
    client: Client, member: str, signature: str, arguments: tuple[str, ...]
) -> None:
    """Image methods of later versions answer with NotSupported at once."""
    with pytest.raises(DBusError, match="cannot") as raised:
        await client.call(member, signature, *arguments)
    assert raised.value.type == ERROR + "NotSupported"


async def test_an_account_can_be_set_up(client: Client, daemon: Daemon) -> None:
    """SetupUser hands over the account as the host knows it; IsUserSetup tells the mark."""
    entry = pwd.getpwnam("nobody")
    arguments = ("mine", entry.pw_uid, entry.pw_gid, entry.pw_name, entry.pw_dir)
    path = await client.call("SetupUser", "suuss", *arguments)
    assert (await client.get_all(path))["Type"] == "setup_user"
    assert await end_of(client, path) == (True, "")
    [(kind, name, user)] = daemon.work.calls
    assert (kind, name, getattr(user, "name", "")) == ("set_up_user", "mine", "nobody")
    assert await client.call("IsUserSetup", "su", "mine", entry.pw_uid) is False
    daemon.containers.content["marked"] = type(container("x"))(
        "marked", "Running", 0, "", "", {names.key_mapped(7): "true"}
    )
    assert await client.call("IsUserSetup", "su", "marked", 7) is True
    assert await client.call("IsUserSetup", "su", "none", 7) is False


@pytest.mark.parametrize(
    ("field", "value"), [(2, 0), (3, "root"), (3, "-o"), (4, "/root"), (4, "/")]
)
async def test_an_account_must_be_as_the_host_has_it(
    client: Client, daemon: Daemon, field: int, value: object
) -> None:
    """Not even root can have a wrong gid, name or home put into a container."""
    entry = pwd.getpwnam("nobody")
    arguments = ["mine", entry.pw_uid, entry.pw_gid, entry.pw_name, entry.pw_dir]
    arguments[field] = value
    with pytest.raises(DBusError) as raised:
        await client.call("SetupUser", "suuss", *arguments)
    assert raised.value.type == ERROR + "InvalidArgument"
    assert daemon.work.calls == []


async def test_enter_can_be_prepared(client: Client) -> None:
    """The argv is our own command with the words unchanged, one by one."""
    words = ["sh", "-c", "a 'b' \"c\"", "", "--", "x\ny"]
    prepared = await client.call("PrepareEnter", "sass", "mine", words, "/srv/a b")
    argv = [COMMAND, "enter", "--no-osc", "--cwd", "/srv/a b", "mine", "--", *words]
    assert prepared == (True, "", argv)
    assert await client.call("PrepareEnter", "sass", "mine", [], "/") == (
        True,
        "",
        [COMMAND, "enter", "--no-osc", "--cwd", "/", "mine"],
    )


async def test_enter_can_be_prepared_in_the_old_way(client: Client) -> None:
    """The signature without working directory is understood too."""
    prepared = await client.call("PrepareEnter", "sas", "mine", ["ls"])
    assert prepared == (True, "", [COMMAND, "enter", "--no-osc", "mine", "--", "ls"])


async def test_the_default_container_can_be_prepared_before_it_exists(client: Client) -> None:
    """An empty name means the default, which the command will create."""
    for name in ("", "box"):
        ok, error, argv = await client.call("PrepareEnter", "sass", name, [], "/")
        assert (ok, error, argv[-1]) == (True, "", "box")


@pytest.mark.parametrize("name", ["none", "../x", "-x", "a b", "x" * 64, "half"])
async def test_trouble_with_preparing_is_told_in_the_reply(
    client: Client, daemon: Daemon, name: str
) -> None:
    """There is no D-Bus error, but (false, text, [])."""
    daemon.containers.content["half"] = container("half", setup_state=names.SETUP_CREATING)
    ok, error, argv = await client.call("PrepareEnter", "sass", name, ["ls"], "/")
    assert (ok, argv) == (False, [])
    assert error


@pytest.mark.parametrize(
    ("member", "signature", "body"),
    [
        ("StartContainer", "", ()),
        ("StartContainer", "u", (1,)),
        ("StartContainer", "ss", ("a", "b")),
        ("StopContainer", "s", ("a",)),
        ("CreateContainer", "ssa{ss}", ("a", "b", {})),
        ("PrepareEnter", "ss", ("a", "b")),
        ("Nonsense", "", ()),
    ],
)
async def test_wrong_signatures_are_refused(
    client: Client, daemon: Daemon, member: str, signature: str, body: tuple[object, ...]
) -> None:
    """A call of another shape is an unknown method, and the daemon goes on."""
    with pytest.raises(DBusError) as raised:
        await client.call(member, signature, *body)
    assert raised.value.type == "org.freedesktop.DBus.Error.UnknownMethod"
    assert daemon.work.calls == []
    assert await client.call("ListContainers")


async def test_a_call_without_interface_is_understood(client: Client) -> None:
    """D-Bus lets callers leave the interface out."""
    assert await client.call("ListContainers", interface=None)


async def test_a_call_that_wants_no_reply_is_carried_out(client: Client, daemon: Daemon) -> None:
    """The operation is there, with its signals."""
    await client.send("StartContainer", "s", "mine", flags=MessageFlag.NO_REPLY_EXPECTED)
    assert (await client.wait_for("Completed")).body == [True, ""]
    assert daemon.work.calls == [("start", "mine")]


async def test_large_values_come_through(client: Client, daemon: Daemon) -> None:
    """A list of 2 MB and a word of 100,000 bytes are nothing special."""
    words = ["x" * 100_000, *("y" * 100 for _ in range(20_000))]
    prepared = await client.call("PrepareEnter", "sass", "mine", words, "/")
    assert prepared[2][-len(words) :] == words


async def test_changes_are_told_to_everybody(
    client: Client, connect: Connect, daemon: Daemon
) -> None:
    """ContainersChanged is broadcast, also for changes that nobody asked us for."""
    other = await connect()
    for each in (client, other):
        await each.add_match(f"type='signal',interface='{names.MANAGER_INTERFACE}'")
    daemon.containers.change()
    for each in (client, other):
        assert (await each.wait_for("ContainersChanged")).body == []


async def test_the_config_is_a_map_with_both_keys(client: Client) -> None:
    """The caller's files count, and the container is the caller's own."""
    assert await client.call("GetConfig") == {
        "default_container": "box",
        "default_image": "local:debian",
    }


@pytest.mark.parametrize("name", ["../x", "a\nb", "-x"])
async def test_the_config_tells_of_trouble_in_band(
    client: Client, daemon: Daemon, name: str
) -> None:
    """A default container that cannot be gives the one key `error`, never a D-Bus error."""
    daemon.work.config = Config(default_container=name)
    config = await client.call("GetConfig")
    assert list(config) == ["error"]
    assert "cannot be the name of a container" in config["error"]


async def test_others_do_not_share_a_default_container(client: Client, daemon: Daemon) -> None:
    """When the configured name is somebody else's, the caller gets a name of its own."""
    daemon.containers.content["box"] = container("box", owner=ALICE)
    assert (await client.call("GetConfig"))["default_container"] == "box-root"
    daemon.containers.content["box-root"] = container("box-root", owner=ALICE)
    assert (await client.call("GetConfig"))["default_container"] == "box-u0"
    daemon.containers.content["box"] = container("box", owner=0)
    assert (await client.call("GetConfig"))["default_container"] == "box"


async def test_foreign_instances_keep_their_names(client: Client, daemon: Daemon) -> None:
    """An Incus instance that is not ours is not taken for the default container."""
    daemon.work.taken = frozenset({"box"})
    assert (await client.call("GetConfig"))["default_container"] == "box-root"
