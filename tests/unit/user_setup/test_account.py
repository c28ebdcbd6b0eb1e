# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapsule.errors import GuestError, InvalidArgument
from kapsule.host.users import HostUser
from kapsule.session.guest_actions import GuestFile
from kapsule.user_setup.account import (
    check_user,
    choose_shell,
    former_names,
    former_uids,
    plan_account,
)
from kapsule.user_setup.groups import GROUPS, join_groups
from kapsule.user_setup.tables import Accounts, Row, Table, number, parse, render

from .guests import ALPINE, BUSYBOX, DEBIAN, FEDORA, GUESTS, UBUNTU, host_user, texts

BASH = "/bin/bash"


def plan(accounts: Accounts, user: HostUser, shell: str = BASH) -> Accounts:
    """Plan account and memberships, as the pipeline does."""
    return join_groups(plan_account(accounts, user, shell), user)


def line(table: Table | None, name: str) -> str:
    """Return the only line that begins with a name."""
    (row,) = [row for row in table or () if row[0] == name]
    return ":".join(row)


# --- what a guest ends up with


def test_debian_gets_a_new_account() -> None:
    """Where nothing is in the way, one line comes to each file, locked and never expiring."""
    planned = plan(DEBIAN, host_user())
    assert planned.passwd[:-1] == DEBIAN.passwd
    assert line(planned.passwd, "alice") == "alice:x:1000:1000::/home/alice:/bin/bash"
    assert line(planned.group, "alice") == "alice:x:1000:"
    assert line(planned.shadow, "alice") == "alice:!:::::::"
    assert line(planned.gshadow, "alice") == "alice:!::"
    assert line(planned.group, "sudo") == "sudo:x:27:alice"
    assert line(planned.group, "audio") == "audio:x:29:pulse,alice"
    assert line(planned.gshadow, "audio") == "audio:*::pulse,alice"
    assert line(planned.group, "users") == "users:x:100:"


def test_the_account_of_an_ubuntu_image_becomes_the_users() -> None:
    """The entry with our uid is renamed wherever its name stands, in its place, once."""
    planned = plan(UBUNTU, host_user())
    assert [row[0] for row in planned.passwd] == ["root", "sync", "alice", "tcpdump"]
    assert line(planned.passwd, "alice") == "alice:x:1000:1000::/home/alice:/bin/bash"
    assert line(planned.group, "alice") == "alice:x:1000:"
    assert line(planned.gshadow, "alice") == "alice:!::"
    assert line(planned.group, "adm") == "adm:x:4:syslog,alice"
    assert line(planned.group, "sudo") == "sudo:x:27:alice"
    assert line(planned.gshadow, "sudo") == "sudo:*:alice:alice"
    assert not any("ubuntu" in (text or "") for text in texts(planned))


def test_an_images_password_does_not_become_the_users() -> None:
    """The account that is taken over loses the password that everybody with the image knows."""
    assert line(plan(UBUNTU, host_user()).shadow, "alice") == "alice:!:::::::"


def test_a_password_that_the_user_has_set_stays() -> None:
    """An account that is the user's already keeps its password, its dates and its full name."""
    user = host_user("ubuntu", home="/home/ubuntu", group_name="ubuntu")
    planned = plan(UBUNTU, user)
    assert planned.shadow == UBUNTU.shadow
    assert line(planned.passwd, "ubuntu") == line(UBUNTU.passwd, "ubuntu")


def test_a_guest_without_shadow_needs_none() -> None:
    """Where there is no shadow file, none is made, and the account is locked in passwd."""
    planned = plan(BUSYBOX, host_user(shell="/bin/sh"), "/bin/sh")
    assert (planned.shadow, planned.gshadow) == (None, None)
    assert line(planned.passwd, "alice") == "alice:!:1000:1000::/home/alice:/bin/sh"
    assert line(planned.group, "wheel") == "wheel:x:10:alice"


def test_the_users_name_with_another_uid_becomes_the_users() -> None:
    """An account of the same name gets our uid, and its private group our gid."""
    passwd = parse("alice:x:1500:1500::/home/other:/bin/sh\nbob:x:1501:1500::/:/bin/sh\n")
    guest = replace(DEBIAN, passwd=passwd, group=parse("alice:x:1500:bob\n"))
    planned = plan(guest, host_user())
    assert line(planned.passwd, "alice") == "alice:x:1000:1000::/home/alice:/bin/bash"
    assert line(planned.passwd, "bob") == "bob:x:1501:1500::/:/bin/sh"
    assert line(planned.group, "alice") == "alice:x:1000:bob"
    assert former_uids(passwd, host_user()) == {1500}


def test_name_and_uid_on_two_accounts_become_one() -> None:
    """Where one account has the name and another the uid, one is left, and has both."""
    passwd = (*UBUNTU.passwd, *parse("alice:x:1001:1001::/home/alice:/bin/sh\n"))
    group = (*UBUNTU.group, *parse("alice:x:1001:\n"))
    shadow = (*(UBUNTU.shadow or ()), *parse("alice:$6$image:::::::\n"))
    planned = plan(replace(UBUNTU, passwd=passwd, group=group, shadow=shadow), host_user())
    assert line(planned.passwd, "alice") == "alice:x:1000:1000::/home/alice:/bin/bash"
    assert line(planned.shadow, "alice") == "alice:!:::::::"
    assert not any(row[0] == "ubuntu" for row in planned.passwd)
    assert line(planned.group, "ubuntu") == "ubuntu:x:1000:"


@pytest.mark.parametrize("name", ["john.doe", "DOM\\user", "user@realm", "Jöhn Doe", "a$"])
def test_unusual_names_are_fine(name: str) -> None:
    """Names of directories and domains, with spaces or in Unicode, are taken as they are."""
    user = host_user(name, group_name="domain users")
    check_user(user)
    planned = plan(DEBIAN, user)
    assert line(planned.passwd, name).startswith(f"{name}:x:1000:1000:")
    assert line(planned.group, "domain users") == "domain users:x:1000:"
    assert line(planned.group, "sudo") == f"sudo:x:27:{name}"


@pytest.mark.parametrize(
    "name", ["", "a:b", "a\nroot::0:0", "a\0b", "/etc", "-rf", "+", "#x", " a", "a ", "a,b", "\n"]
)
def test_names_that_break_the_files_are_refused(name: str) -> None:
    """A name that would be more, or other, than one field is refused with a hint."""
    with pytest.raises(InvalidArgument) as caught:
        check_user(host_user(name))
    assert caught.value.hint


def test_a_home_that_breaks_the_file_is_refused() -> None:
    """A home path with a colon cannot stand in passwd."""
    with pytest.raises(InvalidArgument):
        check_user(host_user(home="/home/a:b"))


# --- the primary group


def test_a_group_with_the_gid_keeps_its_name() -> None:
    """Gid 100 is users in the guest, whatever the host calls it."""
    planned = plan(DEBIAN, host_user(gid=100, group_name="everybody"))
    assert line(planned.passwd, "alice") == "alice:x:1000:100::/home/alice:/bin/bash"
    assert line(planned.group, "users") == "users:x:100:"
    assert len(planned.group) == len(DEBIAN.group)


def test_the_private_group_of_a_renamed_account_is_renamed_too() -> None:
    """Also where the user's primary group is another one."""
    planned = plan(UBUNTU, host_user(gid=100, group_name="users"))
    assert line(planned.group, "alice") == "alice:x:1000:"
    assert line(planned.passwd, "alice").startswith("alice:x:1000:100:")


def test_the_private_group_of_a_renamed_account_gets_the_hosts_gid() -> None:
    """The guest's account had the gid of its uid; the host's group of that name has another."""
    planned = plan(UBUNTU, host_user(gid=1005))
    assert line(planned.group, "alice") == "alice:x:1005:"
    assert line(planned.passwd, "alice").startswith("alice:x:1000:1005:")


def test_somebody_elses_group_of_that_name_stays() -> None:
    """A system group that happens to have our group's name keeps its gid; ours is derived."""
    planned = plan(FEDORA, host_user())
    assert line(planned.group, "alice") == "alice:x:997:"
    assert line(planned.group, "alice-1000") == "alice-1000:x:1000:"
    assert line(planned.gshadow, "alice-1000") == "alice-1000:!::"
    assert line(planned.passwd, "alice").startswith("alice:x:1000:1000:")


def test_a_derived_name_is_free() -> None:
    """The name that is derived is not taken by yet another group."""
    group = parse("alice:x:5:\nalice-1000:x:6:\nalice-1000-1:x:7:\n")
    planned = plan(replace(DEBIAN, group=group), host_user())
    assert line(planned.group, "alice-1000-2") == "alice-1000-2:x:1000:"


@pytest.mark.parametrize("group_name", ["1000", "a:b", "a,b", ""])
def test_a_gid_without_a_usable_name_is_called_after_the_user(group_name: str) -> None:
    """Where the host has no name for the gid, or none for a file, it is the user's."""
    assert line(plan(ALPINE, host_user(group_name=group_name)).group, "alice") == "alice:x:1000:"


# --- the shell


@pytest.mark.parametrize(
    ("shell", "there", "chosen"),
    [
        ("/usr/bin/zsh", {"/usr/bin/zsh", "/bin/bash", "/bin/sh"}, "/usr/bin/zsh"),
        ("/usr/bin/zsh", {"/bin/bash", "/bin/sh"}, "/bin/bash"),
        ("/usr/bin/zsh", {"/bin/sh"}, "/bin/sh"),
        ("/usr/bin/zsh", set(), "/bin/sh"),
        ("", {"/bin/bash"}, "/bin/bash"),
        ("/a:b", {"/a:b", "/bin/sh"}, "/bin/sh"),
    ],
)
def test_the_shell_is_one_that_the_guest_has(shell: str, there: set[str], chosen: str) -> None:
    """The host's shell where the guest has it, else bash, else sh."""
    files = {path: GuestFile("file", executable=True) for path in there}
    assert choose_shell(host_user(shell=shell), files) == chosen


def test_a_shell_must_be_executable() -> None:
    """A file that is no program is no shell."""
    files = {BASH: GuestFile("file", "text"), "/bin/sh": GuestFile("symlink", executable=True)}
    assert choose_shell(host_user(), files) == "/bin/sh"


# --- for any guest


@pytest.mark.parametrize("guest", GUESTS)
@pytest.mark.parametrize("gid", [100, 1000, 4711])
def test_a_second_run_plans_nothing(guest: str, gid: int) -> None:
    """What was planned once is right for the same user."""
    user = host_user(gid=gid)
    planned = plan(GUESTS[guest], user)
    assert plan(planned, user) == planned
    assert texts(planned) != texts(GUESTS[guest])


NAMES = st.sampled_from(["root", "alice", "bob", "ubuntu", "sudo", "wheel", "john.doe", "+", ""])
IDS = st.sampled_from(["0", "5", "10", "100", "1000", "1001", "x", "", "-1", "01000", "²"])
MEMBERS = st.lists(NAMES, max_size=3).map(",".join)
JUNK = st.text(alphabet="abc:+# \u2028\x0b\r,", max_size=12).map(
    lambda text: tuple(text.split(":"))
)
FIELD = st.sampled_from(["", "x", "/home/x"])


def tables(*fields: st.SearchStrategy[str]) -> st.SearchStrategy[Table]:
    """Return files with lines of these fields, and lines that are no entries at all."""
    return st.lists(st.tuples(*fields) | JUNK, max_size=6).map(tuple)


GUEST = st.builds(
    Accounts,
    passwd=tables(NAMES, FIELD, IDS, IDS, FIELD, FIELD, FIELD),
    group=tables(NAMES, FIELD, IDS, MEMBERS),
    shadow=st.none() | tables(NAMES, FIELD, *[IDS] * 7),
    gshadow=st.none() | tables(NAMES, FIELD, MEMBERS, MEMBERS),
)
USER = st.builds(
    host_user,
    name=st.sampled_from(["alice", "john.doe", "ubuntu"]),
    uid=st.sampled_from([5, 1000, 1001]),
    gid=st.sampled_from([10, 100, 1000, 1001]),
    group_name=st.sampled_from(["alice", "users", "wheel", "1000"]),
)


def concerns(row: Row, user: HostUser) -> bool:
    """Say whether a line of passwd is an entry with the user's name or uid."""
    is_entry = len(row) == 7 and number(row, 2) is not None and number(row, 3) is not None
    return is_entry and (row[0] == user.name or number(row, 2) == user.uid)


@given(GUEST, USER)
def test_exactly_one_entry_is_the_users(guest: Accounts, user: HostUser) -> None:
    """Afterwards one entry has name and uid; all others are as they were and where they were."""
    planned = plan(guest, user)
    (entry,) = [row for row in planned.passwd if concerns(row, user)]
    assert entry[0] == user.name
    assert entry[2:4] == (str(user.uid), str(user.gid))
    foreign = [row for row in guest.passwd if not concerns(row, user)]
    assert [row for row in planned.passwd if row is not entry] == foreign


@given(GUEST, USER)
def test_the_other_files_change_only_where_they_must(guest: Accounts, user: HostUser) -> None:
    """Shadow loses and gains only our names; groups keep their number, order and foreign lines."""
    planned = plan(guest, user)
    own = former_names(guest.passwd, user) | {user.name}
    if guest.shadow is None:
        assert planned.shadow is None
    else:
        assert planned.shadow is not None
        foreign = [row for row in guest.shadow if row[0] not in own]
        assert [row for row in planned.shadow if row[0] not in own] == foreign
        assert [row[0] for row in planned.shadow if row[0] in own] == [user.name]
    for before, after in zip(guest.group, planned.group, strict=False):
        if not own & {before[0], *before[-1].split(",")} and before[0] not in GROUPS:
            assert after == before
    assert any(number(row, 2) == user.gid for row in planned.group)


@given(GUEST, USER)
def test_planning_twice_is_planning_once(guest: Accounts, user: HostUser) -> None:
    """Whatever the guest has, the second run finds nothing to do."""
    planned = plan(guest, user)
    assert plan(planned, user) == planned


def test_entries_that_somebody_has_multiplied() -> None:
    """64 entries of the user's become one; where there are more, nothing is planned."""
    rows = tuple(("alice", "x", "7", str(gid), "", "/", "/bin/sh") for gid in range(65))
    planned = plan(replace(DEBIAN, passwd=rows[:64]), host_user())
    assert len(planned.passwd) == 1
    with pytest.raises(GuestError, match="has 65 entries"):
        plan(replace(DEBIAN, passwd=rows), host_user())


def test_groups_that_somebody_has_multiplied() -> None:
    """Of many private groups one becomes the user's, and other lines stay, however many."""
    ids = [str(10_000 + each) for each in range(40_000)]
    own = tuple((f"a{each}", "x", "1000", each, "", "/", "/bin/sh") for each in ids[:64])
    group = tuple((f"a{each}", "x", each, "") for each in ids)
    planned = plan(replace(DEBIAN, passwd=own, group=group, shadow=group), host_user())
    assert len(planned.passwd) == 1
    assert [row[2] for row in planned.group if row[0] == "alice"] == ["1000"]
    assert len(planned.group) == 40_000
    assert len(planned.shadow or ()) == 40_000 - 63


def test_a_number_that_is_none() -> None:
    """No id has thousands of digits, and Python refuses to read them."""
    assert number(("x", "x", "9" * 5000, ""), 2) is None
    assert number(("x", "x", "4294967295", ""), 2) == 4294967295


@given(st.text())
def test_text_survives_parsing(text: str) -> None:
    """Parsing and rendering keeps every line, and ends the last one."""
    ended = text if not text or text.endswith("\n") else text + "\n"
    assert render(parse(text)) == ended
