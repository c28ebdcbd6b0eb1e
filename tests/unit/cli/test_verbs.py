# SPDX-License-Identifier: GPL-3.0-or-later
"""What each verb asks of the daemon and prints: results on stdout, talk on stderr."""

import json
import os
import pwd
from pathlib import Path

import pytest
from dbus_fast import Variant

from kapsule.cli.__main__ import main
from kapsule.errors import Busy, NotSupported
from kapsule.testing.fake_daemon import FakeDaemon, Said, Script

ROWS = [
    ["dev", "Running", "Debian 12 [ünï]", "2026-02-11T06:31:22.123456+00:00", "Default"],
    ["a-long-container-name", "Stopped", "unknown", "", "Session"],
]
DESCRIPTION = {
    "name": "dev",
    "status": "Running",
    "owner": os.getuid(),
    "options": {"gpu": True, "custom_mounts": ["~/kde", "/srv"], "empty": []},
    "devices": {},
}
IMAGES = [
    {
        "fingerprint": "0123456789abcdef" * 4,
        "aliases": [{"name": "debian"}, {"name": "d"}],
        "properties": {"description": "Debian\x1b[31m 12"},
        "size": 123_456_789,
        "uploaded_at": "2026-02-11T06:31:22Z",
    },
    {"fingerprint": "ff", "aliases": None, "properties": None, "size": 2_500_000_000},
]

Captured = pytest.CaptureFixture[str]


def test_list_is_a_table_on_stdout(daemon: FakeDaemon, capsys: Captured) -> None:
    """Columns are aligned, nothing is cut, and no colour goes into a pipe."""
    daemon.reply("ListContainers", "a(sssss)", ROWS)
    assert main(["list"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        "NAME                   STATUS   IMAGE            MODE     CREATED",
        "dev                    Running  Debian 12 [ünï]  Default  2026-02-11",
        "a-long-container-name  Stopped  unknown          Session",
    ]


def test_list_of_all_users(daemon: FakeDaemon, capsys: Captured) -> None:
    """There is a column more; an owner without an account has a number."""
    rows = [[*ROWS[0], "alice", 1000], [*ROWS[1], "", 1001]]
    daemon.reply("ListAllContainers", "a(ssssssu)", rows)
    assert main(["list", "--all-users"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines] == ["OWNER", "alice", "1001"]
    assert main(["list", "--all-users", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [(each["owner"], each["uid"]) for each in listed] == [("alice", 1000), ("", 1001)]


@pytest.mark.parametrize(("user", "uid"), [("root", 0), ("4321", 4321)])
def test_chown(daemon: FakeDaemon, user: str, uid: int) -> None:
    """The new owner is an account's name or a number."""
    daemon.run("ChangeOwner", Script())
    assert main(["chown", "a", user]) == 0
    assert daemon.calls[0] == ("ChangeOwner", ["a", uid])


@pytest.mark.parametrize("user", ["no such user", "-1", "4294967295", "99999999999", "\u0664"])
def test_chown_to_nobody(daemon: FakeDaemon, capsys: Captured, user: str) -> None:
    """Who does not exist gets nothing."""
    assert main(["chown", "a", "--", user]) == 1
    assert f"There is no user '{user}'" in capsys.readouterr().err
    assert daemon.calls == []


@pytest.mark.parametrize("flag", ["-r", "--running"])
def test_list_can_leave_out_what_does_not_run(
    daemon: FakeDaemon, capsys: Captured, flag: str
) -> None:
    """Only running ones remain."""
    daemon.reply("ListContainers", "a(sssss)", ROWS)
    assert main(["ls", flag, "--names"]) == 0
    assert capsys.readouterr().out == "dev\n"


def test_list_all_is_the_default(daemon: FakeDaemon, capsys: Captured) -> None:
    """The flag is there because scripts give it."""
    daemon.reply("ListContainers", "a(sssss)", ROWS)
    assert main(["list", "-a", "--names"]) == 0
    assert capsys.readouterr().out == "dev\na-long-container-name\n"


def test_list_as_json(daemon: FakeDaemon, capsys: Captured) -> None:
    """One object a container, with all that the table has."""
    daemon.reply("ListContainers", "a(sssss)", ROWS)
    assert main(["list", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first == {
        "name": "dev",
        "status": "Running",
        "image": "Debian 12 [ünï]",
        "created": "2026-02-11T06:31:22.123456+00:00",
        "mode": "Default",
    }
    assert second["created"] == ""


def test_an_empty_list_says_so_on_stderr(daemon: FakeDaemon, capsys: Captured) -> None:
    """A script that reads stdout finds nothing; JSON stays JSON."""
    daemon.reply("ListContainers", "a(sssss)", [])
    assert main(["list"]) == 0
    assert capsys.readouterr() == ("", "No containers found.\n")
    assert main(["list", "--json"]) == 0
    assert capsys.readouterr() == ("[]\n", "")


def test_create_sends_only_what_was_typed(daemon: FakeDaemon, capsys: Captured) -> None:
    """Defaults are the daemon's business; the progress is talk."""
    message = Said("Message", "isi", [0, "Image: Debian", 1])
    warning = Said("Message", "isi", [2, "no GPU", 2])
    daemon.run("CreateContainer", Script((message, warning)))
    words = ["create", "dev", "--image", "local:debian", "--no-gpu", "--custom-mounts", "~/kde"]
    assert main(words) == 0
    options = {"gpu": Variant("b", False), "custom_mounts": Variant("as", ["~/kde"])}
    assert daemon.calls[0] == ("CreateContainer", ["dev", "local:debian", options])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "Creating container: dev",
        "  Image: Debian",
        "    Warning: no GPU",
        "✓ Container created",
        "Hint: Enter it with `kapsule enter dev`",
    ]


def test_create_without_options_sends_none(daemon: FakeDaemon) -> None:
    """And the empty image means the default one."""
    daemon.run("CreateContainer", Script())
    assert main(["create", "dev"]) == 0
    assert daemon.calls[0] == ("CreateContainer", ["dev", "", {}])


def test_create_makes_paths_absolute(
    daemon: FakeDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon does not know where we are."""
    monkeypatch.chdir(tmp_path)
    daemon.run("CreateContainer", Script())
    assert main(["create", "dev", "--custom-mounts", "src"]) == 0
    assert daemon.calls[0][1][2]["custom_mounts"].value == [f"{os.getcwd()}/src"]


def test_a_create_that_fails_has_status_one(daemon: FakeDaemon, capsys: Captured) -> None:
    """The error is the operation's own."""
    daemon.run("CreateContainer", Script((), "failed", "No such image\nHint: image list"))
    assert main(["create", "dev"]) == 1
    assert capsys.readouterr().err.splitlines()[1:] == ["Error: No such image", "Hint: image list"]


def test_a_create_that_somebody_else_cancels_is_a_failure(
    daemon: FakeDaemon, capsys: Captured
) -> None:
    """It was not our Ctrl-C, so the status is not that of an interrupt."""
    daemon.run("CreateContainer", Script((), "cancelled", "Operation cancelled"))
    assert main(["create", "dev"]) == 1
    assert "Error: Operation cancelled" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "member", "arguments"),
    [
        (["start", "a"], "StartContainer", ["a"]),
        (["stop", "a"], "StopContainer", ["a", False]),
        (["stop", "-f", "a"], "StopContainer", ["a", True]),
        (["restart", "a"], "RestartContainer", ["a", False]),
        (["restart", "a", "--force"], "RestartContainer", ["a", True]),
        (["rm", "a"], "DeleteContainer", ["a", False]),
        (["remove", "--force", "a"], "DeleteContainer", ["a", True]),
    ],
)
def test_lifecycle_verbs_call_their_method(
    daemon: FakeDaemon, capsys: Captured, words: list[str], member: str, arguments: list[object]
) -> None:
    """With the name, and with force where it makes sense."""
    daemon.run(member, Script())
    assert main(words) == 0
    assert daemon.calls[0] == (member, arguments)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("✓ Container a ")


@pytest.mark.parametrize(
    ("words", "member", "arguments"),
    [
        (["mount", "a", "/srv//x:ro"], "AddMount", ["a", "/srv/x:ro"]),
        (["mount", "a", "~/x"], "AddMount", ["a", "~/x"]),
        (["unmount", "a", "/srv/x"], "RemoveMount", ["a", "/srv/x"]),
    ],
)
def test_mount_and_unmount(
    daemon: FakeDaemon, words: list[str], member: str, arguments: list[object]
) -> None:
    """The path goes out absolute, with what says how it is shared."""
    daemon.run(member, Script())
    assert main(words) == 0
    assert daemon.calls[0] == (member, arguments)


def test_several_names_go_on_after_a_failure(daemon: FakeDaemon, capsys: Captured) -> None:
    """Each failure is said, the others are done, and the status is 1."""
    daemon.fail("DeleteContainer", Busy.dbus_name, "Container is running\nHint: -f")
    assert main(["rm", "a", "b", "a"]) == 1
    assert [call[1][0] for call in daemon.calls] == ["a", "b"]
    assert capsys.readouterr().err.count("Error: Container is running") == 2


def test_start_has_no_force(capsys: Captured) -> None:
    """It would mean nothing."""
    with pytest.raises(SystemExit):
        main(["start", "-f", "a"])
    assert "unrecognized arguments: -f" in capsys.readouterr().err


def test_config_prints_settings_on_stdout(daemon: FakeDaemon, capsys: Captured) -> None:
    """All of them as lines, one of them as its bare value, or JSON."""
    daemon.reply("GetConfig", "a{ss}", {"default_container": "k", "default_image": "local:d"})
    assert main(["config"]) == 0
    assert capsys.readouterr() == ("default_container: k\ndefault_image: local:d\n", "")
    assert main(["config", "default_image"]) == 0
    assert capsys.readouterr() == ("local:d\n", "")
    assert main(["config", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["default_container"] == "k"
    assert main(["config", "--json", "default_container"]) == 0
    assert json.loads(capsys.readouterr().out) == "k"


def test_config_of_an_unknown_key_names_the_known_ones(
    daemon: FakeDaemon, capsys: Captured
) -> None:
    """An error with a hint, status 1."""
    daemon.reply("GetConfig", "a{ss}", {"default_container": "k", "default_image": "i"})
    assert main(["config", "colour"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "Error: There is no setting 'colour'",
        "Hint: There are: default_container, default_image",
    ]


def test_info_is_readable(daemon: FakeDaemon, capsys: Captured) -> None:
    """Groups are indented, lists are on one line, the owner has a name."""
    daemon.reply("Describe", "s", json.dumps(DESCRIPTION))
    assert main(["info", "dev"]) == 0
    me = pwd.getpwuid(os.getuid()).pw_name
    assert capsys.readouterr().out.splitlines() == [
        "name: dev",
        "status: Running",
        f"owner: {me} ({os.getuid()})",
        "options:",
        "  gpu: yes",
        "  custom_mounts: ~/kde, /srv",
        "  empty: -",
        "devices: -",
    ]


def test_info_of_an_owner_without_account_shows_the_uid(
    daemon: FakeDaemon, capsys: Captured
) -> None:
    """An account may be gone while its container is not."""
    daemon.reply("Describe", "s", '{"owner": 4294967294}')
    assert main(["info", "dev"]) == 0
    assert capsys.readouterr().out == "owner: 4294967294\n"


def test_info_as_json_is_what_the_daemon_said(daemon: FakeDaemon, capsys: Captured) -> None:
    """Programs get it unchanged."""
    daemon.reply("Describe", "s", json.dumps(DESCRIPTION))
    assert main(["info", "--json", "dev"]) == 0
    assert json.loads(capsys.readouterr().out) == DESCRIPTION


def test_images_are_listed(daemon: FakeDaemon, capsys: Captured) -> None:
    """With the description of the image's properties, which cannot control the terminal."""
    daemon.reply("ListImages", "s", json.dumps(IMAGES))
    assert main(["image", "ls"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "FINGERPRINT   ALIAS      DESCRIPTION        SIZE      UPLOADED",
        "0123456789ab  debian, d  Debian\\x1b[31m 12  123.5 MB  2026-02-11",
        "ff                                          2.5 GB",
    ]
    assert main(["image", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == IMAGES


def test_no_images_are_said_on_stderr(daemon: FakeDaemon, capsys: Captured) -> None:
    """As with containers."""
    daemon.reply("ListImages", "s", "[]")
    assert main(["image", "list"]) == 0
    assert capsys.readouterr() == ("", "No images found.\n")


@pytest.mark.parametrize(
    ("words", "member", "arguments"),
    [
        (["import", "/i/dev/"], "ImportImage", ["/i/dev", "dev"]),
        (["import", "/i/dev", "-a", "other"], "ImportImage", ["/i/dev", "other"]),
        (["delete", "dev"], "DeleteImage", ["dev"]),
        (["rm", "dev"], "DeleteImage", ["dev"]),
        (["refresh"], "RefreshImages", [""]),
        (["refresh", "images:debian/12"], "RefreshImages", ["images:debian/12"]),
    ],
)
def test_image_verbs_call_their_method(
    daemon: FakeDaemon, capsys: Captured, words: list[str], member: str, arguments: list[str]
) -> None:
    """What the daemon cannot do yet, it says itself."""
    daemon.run(member, Script())
    assert main(["image", *words]) == 0
    assert daemon.calls[0] == (member, arguments)
    daemon.fail(member, NotSupported.dbus_name, "not yet")
    assert main(["image", *words]) == 1
    assert "Error: not yet" in capsys.readouterr().err


def test_image_alone_shows_its_verbs(capsys: Captured) -> None:
    """As help, with status 0."""
    assert main(["image"]) == 0
    assert "refresh" in capsys.readouterr().out
