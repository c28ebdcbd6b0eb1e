# SPDX-License-Identifier: GPL-3.0-or-later
import pytest

from kapsule.host.users import HostUser
from kapsule.session.guest_actions import Action, GuestFile, MakeDirectory, WriteFile
from kapsule.user_setup.guest_texts import Files
from kapsule.user_setup.sudo import plan_sudo, sudo_paths

from .guests import host_user

RULE = "#1000 ALL=(ALL:ALL) NOPASSWD: ALL\n"
DIRECTORY = GuestFile("directory", mode=0o750)
INCLUDE = "@includedir /etc/sudoers.d\n"
SUDOERS = "Defaults env_reset\nroot ALL=(ALL:ALL) ALL\n"


def text(content: str, mode: int = 0o440, uid: int = 0) -> GuestFile:
    """Return a file that is there already."""
    return GuestFile("file", content, mode, uid)


def plan(files: Files, user: HostUser | None = None) -> list[Action]:
    """Plan in a guest that has /etc/sudoers with its include, unless files says otherwise."""
    usual = {"/etc/sudoers": text(SUDOERS + INCLUDE), "/etc/sudoers.d": DIRECTORY}
    return plan_sudo({**usual, **files}, user or host_user())


def test_the_usual_guest_gets_one_file() -> None:
    """A rule for the uid, in a file that only root can read."""
    assert plan({}) == [WriteFile("/etc/sudoers.d/alice", RULE, 0o440, replaces="")]


def test_a_second_run_plans_nothing() -> None:
    """The rule is there."""
    assert plan({"/etc/sudoers.d/alice": text(RULE)}) == []


@pytest.mark.parametrize(
    "there", [text("alice ALL=(ALL) ALL\n"), text(RULE, 0o644), text(RULE, uid=1000)]
)
def test_a_file_that_sudo_would_not_obey_is_replaced(there: GuestFile) -> None:
    """Another rule, another mode or another owner is put right."""
    (action,) = plan({"/etc/sudoers.d/alice": there})
    assert action == WriteFile("/etc/sudoers.d/alice", RULE, 0o440, replaces=there.content)


@pytest.mark.parametrize("name", ["john.doe", "DOM\\user", "a b", "user~", "ü", "a/b", "a@b"])
def test_names_that_sudo_dislikes_get_a_file_of_another_name(name: str) -> None:
    """sudo passes over some names of files, and others cannot be one."""
    user = host_user(name)
    assert "/etc/sudoers.d/kapsule-1000" in sudo_paths(user)
    assert plan({}, user) == [WriteFile("/etc/sudoers.d/kapsule-1000", RULE, 0o440, replaces="")]


def test_a_guest_without_sudo_is_prepared_for_it() -> None:
    """The directory is made, so that the rule counts once sudo is installed."""
    planned = plan({"/etc/sudoers": None, "/etc/sudoers.d": None})
    assert planned == [
        MakeDirectory("/etc/sudoers.d", 0o750),
        WriteFile("/etc/sudoers.d/alice", RULE, 0o440, replaces=""),
    ]


@pytest.mark.parametrize("content", [SUDOERS, SUDOERS.rstrip("\n"), SUDOERS + "# " + INCLUDE])
def test_a_sudoers_that_reads_no_directory_is_extended(content: str) -> None:
    """The include comes at its end; mode and owner stay."""
    added = "" if content.endswith("\n") else "\n"
    action = plan({"/etc/sudoers": text(content, 0o400)})[-1]
    wanted = f"{content}{added}#includedir /etc/sudoers.d\n"
    assert action == WriteFile("/etc/sudoers", wanted, 0o400, replaces=content)
    assert len(plan({"/etc/sudoers": text(wanted)})) == 1


@pytest.mark.parametrize(
    "line", ["#includedir /etc/sudoers.d", '\t@includedir  "/etc/sudoers.d/" ', INCLUDE.strip()]
)
def test_every_form_of_the_include_is_known(line: str) -> None:
    """sudo takes it with @ or #, with quotes, with blanks."""
    assert len(plan({"/etc/sudoers": text(f"{SUDOERS}{line}\n# end\n")})) == 1


def test_a_linked_sudoers_is_left_to_the_program_that_made_it() -> None:
    """NixOS links to a store that cannot be written."""
    assert len(plan({"/etc/sudoers": GuestFile("symlink", "/etc/static/sudoers")})) == 1


def test_doas_lets_the_user_in() -> None:
    """Where doas has a file, it gets a line; where it has a directory, a file."""
    files = {"/etc/doas.conf": text("permit :wheel", 0o400), "/etc/doas.d": DIRECTORY}
    changed, added = plan(files)[1:]
    wanted = "permit :wheel\npermit nopass 1000\n"
    assert changed == WriteFile("/etc/doas.conf", wanted, 0o400, replaces="permit :wheel")
    rule = WriteFile("/etc/doas.d/kapsule-1000.conf", "permit nopass 1000\n", 0o440, replaces="")
    assert added == rule
    done = files | {
        "/etc/doas.conf": text(wanted),
        "/etc/doas.d/kapsule-1000.conf": text(rule.content),
    }
    assert len(plan(done)) == 1
