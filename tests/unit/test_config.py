# SPDX-License-Identifier: GPL-3.0-or-later
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kapsule.config import Config, load, load_system, merge, own_names, parse
from kapsule.host.users import HostUser

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as somebody else")


def user_in(home: Path, uid: int = 54321, name: str = "alice") -> HostUser:
    """Return a user with that home."""
    return HostUser(uid, uid, name, str(home), "/bin/sh", (uid,), name)


@pytest.fixture
def home() -> Iterator[Path]:
    """The home directory of user 54321, with a place for the configuration."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        folder = Path(name) / ".config" / "kapsule"
        folder.mkdir(parents=True)
        yield Path(name)


def write_own(home: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write the user's configuration file."""
    path = home / ".config" / "kapsule" / "kapsule.conf"
    path.write_bytes(content)
    path.chmod(mode)


def test_known_keys_are_taken_and_nothing_else() -> None:
    """Other sections, unknown keys and empty values do not count."""
    text = (
        "[other]\ndefault_image=x\n[kapsule]\ndefault_container = dev\nfoo = 1\ndefault_image =\n"
    )
    assert parse(text) == {"default_container": "dev"}
    assert parse("") == {}


def test_values_are_taken_literally() -> None:
    """Per cents and dollars in a value mean nothing."""
    assert parse("[kapsule]\ndefault_image = a%b%(c)s${d}") == {"default_image": "a%b%(c)s${d}"}


@pytest.mark.parametrize("text", ["default_image = x", "[kapsule\n", "[kapsule]\n!!\n"])
def test_what_is_no_ini_file_is_a_value_error(text: str) -> None:
    """A broken file has one kind of error, whatever is wrong with it."""
    with pytest.raises(ValueError, match=r"\S"):
        parse(text)


def test_later_files_win_key_by_key() -> None:
    """Each key comes from the strongest file that has it."""
    system = [
        {"default_container": "a", "default_image": "x", "admin_group": "wheel"},
        {"default_image": "y"},
    ]
    assert merge(system, {"default_container": "mine"}) == Config("mine", "y", "wheel")
    assert merge([], {}) == Config()


def test_a_user_cannot_name_the_administrators() -> None:
    """admin_group counts in the machine's files only."""
    assert merge([], {"admin_group": "users"}).admin_group == ""


def test_missing_and_broken_system_files_are_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken file is said in the log, a missing one is not, and the others count."""
    good, broken, binary = tmp_path / "good", tmp_path / "broken", tmp_path / "binary"
    good.write_text("\ufeff[kapsule]\ndefault_container = dev\n", encoding="utf-8")
    broken.write_text("default_container = no\n")
    binary.write_bytes(b"[kapsule]\ndefault_container = \xff\xfe\n")
    files = [str(path) for path in (good, broken, binary, tmp_path / "missing", tmp_path)]
    with caplog.at_level(logging.WARNING):
        assert load_system(files) == Config(default_container="dev")
    assert [str(path) in caplog.text for path in (good, broken, binary)] == [False, True, True]
    assert str(tmp_path / "missing") not in caplog.text


_BACKTRACKING = "a" + " " * 65_000 + "b"  # which takes configparser half a minute


@pytest.mark.parametrize("line", [_BACKTRACKING, "default_image = " + "x" * 500, "#" * 513])
def test_a_line_that_is_too_long(line: str) -> None:
    """It is refused before anything tries to make sense of it."""
    with pytest.raises(ValueError, match="more than 512 characters"):
        parse(f"[kapsule]\n{line}\n")


@as_root
@pytest.mark.parametrize("content", [_BACKTRACKING, "#\n" * 2100])
async def test_a_file_of_a_users_that_is_too_large(
    home: Path, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    """It is passed over, and the log says so in few words."""
    write_own(home, f"[kapsule]\ndefault_container = mine\n{content}\n".encode())
    with caplog.at_level(logging.WARNING):
        assert await load(user_in(home), []) == Config()
    assert "File too large" in caplog.text


@as_root
async def test_a_large_part_of_a_file_is_not_told_to_the_log(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is wrong with a broken file is said, and not all of what is in it."""
    write_own(home, b"[kapsule]\n" + b"!%s\n" % (b"x" * 400) * 9)
    with caplog.at_level(logging.WARNING):
        assert await load(user_in(home), []) == Config()
    assert "contains parsing errors" in caplog.text
    assert len(caplog.text) < 500


@as_root
async def test_the_users_own_file_wins(home: Path, tmp_path: Path) -> None:
    """The user's file is read with the user's rights and wins over the machine's."""
    (tmp_path / "system").write_text("[kapsule]\ndefault_container=theirs\ndefault_image=x\n")
    write_own(home, b"[kapsule]\ndefault_container = mine\n")
    assert await load(user_in(home), [str(tmp_path / "system")]) == Config("mine", "x")


@as_root
async def test_what_the_user_may_not_read_does_not_count(
    home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A link to a file of root's is passed over, and its content does not show in the log."""
    write_own(home, b"[kapsule]\ndefault_container = secret\n", mode=0o600)
    with caplog.at_level(logging.WARNING):
        assert await load(user_in(home), []) == Config()
    assert "Permission denied" in caplog.text
    assert "secret" not in caplog.text


@as_root
@pytest.mark.parametrize("target", ["fifo", "/dev/zero", "huge"])
async def test_traps_in_the_place_of_the_file_do_no_harm(home: Path, target: str) -> None:
    """A FIFO, an endless device and a huge file are passed over at once."""
    os.mkfifo(home / "fifo", 0o666)
    (home / "huge").write_bytes(b"#" * 1_000_000)
    (home / ".config" / "kapsule" / "kapsule.conf").symlink_to(home / target)
    assert await load(user_in(home), []) == Config()


async def test_a_home_that_is_missing_is_no_trouble(tmp_path: Path) -> None:
    """A user without a home gets the machine's configuration."""
    assert await load(user_in(tmp_path / "none", uid=os.getuid()), []) == Config()


def test_the_configured_name_comes_first_then_ones_with_the_user_in_it() -> None:
    """Two users of one machine can both have a default container."""
    user = user_in(Path("/home/x"), uid=1000, name="alice")
    assert own_names("kapsule", user) == ("kapsule", "kapsule-alice", "kapsule-u1000")


@pytest.mark.parametrize(
    ("name", "slug"), [("john.doe", "-john-doe"), ("DOM\\Max", "-dom-max"), ("müller$", "-m-ller")]
)
def test_user_names_are_made_fit_for_host_names(name: str, slug: str) -> None:
    """What a host name cannot have becomes a dash."""
    assert own_names("k", user_in(Path("/"), name=name))[1] == "k" + slug


def test_names_stay_within_the_length_of_host_names() -> None:
    """A long configured name is cut for the user's part; a name without letters has no slug."""
    names = own_names("a" * 63, user_in(Path("/"), uid=7, name="äöü"))
    assert names == ("a" * 63, "a" * 60 + "-u7")


def test_limits_are_the_machines() -> None:
    """A user has no say in how much a user may have."""
    config = merge([{"max_containers": "0"}, {"max_operations": "5"}], {"max_containers": "99"})
    assert (config.max_containers, config.max_operations) == (0, 5)
    assert merge([], {}).max_containers == 32
    assert merge([{"max_sessions": "9"}], {"max_sessions": "99"}).max_sessions == 9


@pytest.mark.parametrize("value", ["-1", "many", "1.5", "9999999999", "\u0664", "1 0"])
def test_a_limit_that_is_no_number(value: str) -> None:
    """It is passed over, as if the line were not there."""
    assert parse(f"[kapsule]\nmax_containers = {value}\nadmin_group = x\n") == {"admin_group": "x"}
    assert parse("[kapsule]\nmax_operations = 0\n") == {}
