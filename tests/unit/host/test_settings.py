# SPDX-License-Identifier: GPL-3.0-or-later
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kapsule.host.settings import gather_settings, is_zone, parse_locale, reachable

RULES = b"TZif2" + bytes(range(256))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with /etc and one time zone."""
    (tmp_path / "etc/default").mkdir(parents=True)
    zones = tmp_path / "usr/share/zoneinfo/Europe"
    zones.mkdir(parents=True)
    (zones / "Berlin").write_bytes(RULES)
    return tmp_path


async def test_a_host_without_anything(root: Path) -> None:
    """Its time is UTC, as localtime(5) says, and it says nothing else."""
    settings = await gather_settings(root)
    assert settings.time_zone == "UTC"
    assert (settings.zone_data, settings.locale, settings.resolv_conf) == ("", (), "")


@pytest.mark.parametrize("before", ["../usr/share/zoneinfo/", "../usr/share/zoneinfo/posix/"])
async def test_time_zone_is_where_the_link_leads(root: Path, before: str) -> None:
    """The name comes from the link; the rules, byte by byte, from the file."""
    (root / "usr/share/zoneinfo/posix").symlink_to(".")
    (root / "etc/localtime").symlink_to(before + "Europe/Berlin")
    settings = await gather_settings(root)
    assert settings.time_zone == "Europe/Berlin"
    assert settings.zone_data.encode(errors="surrogateescape") == RULES


async def test_time_zone_without_a_link(root: Path) -> None:
    """Where /etc/localtime is a copy, Debian's /etc/timezone names it."""
    (root / "etc/localtime").write_bytes(RULES)
    (root / "etc/timezone").write_text("Asia/Tokyo\n")
    assert (await gather_settings(root)).time_zone == "Asia/Tokyo"


@pytest.mark.parametrize(
    "name", ["", "../../etc/shadow", "Europe/../x", "/UTC", "a\nb", "UTC ", "-x", "a/b/c/d/e", "é"]
)
def test_names_that_no_zone_has(name: str) -> None:
    """What is not an IANA name never becomes part of a path."""
    assert not is_zone(name)


@given(st.text())
def test_a_zone_is_a_path_that_stays_where_it_is(name: str) -> None:
    """Whatever passes is printable, relative, and climbs nowhere."""
    if is_zone(name):
        assert name.isascii()
        assert name.isprintable()
        assert all(part and not part.startswith(".") for part in name.split("/"))


async def test_locale_of_either_file(root: Path) -> None:
    """Debian's file counts where systemd's is missing or sets nothing."""
    (root / "etc/default/locale").write_text('# chosen\nLANG="de_DE.UTF-8"\nLC_TIME=C.UTF-8\n')
    expected = (("LANG", "de_DE.UTF-8"), ("LC_TIME", "C.UTF-8"))
    assert (await gather_settings(root)).locale == expected
    (root / "etc/locale.conf").write_text("LANG=fr_FR.UTF-8\n")
    assert (await gather_settings(root)).locale == (("LANG", "fr_FR.UTF-8"),)


def test_locale_lines_of_every_kind() -> None:
    """Quotes and `export` are no part of the value; other variables and odd values are left out."""
    text = "export LANG='a_B.UTF-8'\nLC_ALL=$(id)\nPATH=/x\nLC_TIME=\nLANGUAGE=de:en\nLC_x=y\n"
    assert parse_locale(text) == (("LANG", "a_B.UTF-8"), ("LANGUAGE", "de:en"))


@given(st.text())
def test_locales_hold_nothing_that_a_shell_would_take(text: str) -> None:
    """No space, quote, newline, slash or expansion gets through."""
    for name, value in parse_locale(f"LANG={text}\n{text}"):
        assert name.startswith("L")
        assert not set(value) & set(" \t\n'\"$`\\;&|<>()/*?~#!")


async def test_name_servers_that_only_the_host_reaches(root: Path) -> None:
    """A container with a network of its own gets those that the host's resolver asks."""
    (root / "etc/resolv.conf").write_text("nameserver 127.0.0.53\nsearch example.org\n")
    upstream = root / "run/systemd/resolve"
    upstream.mkdir(parents=True)
    (upstream / "resolv.conf").write_text("nameserver 192.0.2.1\nnameserver ::1\nsearch a\n")
    settings = await gather_settings(root)
    assert settings.resolv_conf == "nameserver 127.0.0.53\nsearch example.org\n"
    assert settings.upstream == "nameserver 192.0.2.1\nsearch a\n"


def test_reachable_servers() -> None:
    """Loopback addresses go, the rest stays in its order; without a server there is nothing."""
    text = "# x\nnameserver 127.0.0.1\nnameserver 2001:db8::1\noptions edns0\n"
    assert reachable(text) == "# x\nnameserver 2001:db8::1\noptions edns0\n"
    assert reachable("nameserver ::1\nsearch a\n") == ""


async def test_files_that_are_none(root: Path) -> None:
    """A directory, or a file that is far too large, says nothing."""
    (root / "etc/locale.conf").mkdir()
    (root / "etc/resolv.conf").write_text("nameserver 192.0.2.1\n" * 10_000)
    (root / "etc/localtime").write_text("not a zone")
    settings = await gather_settings(root)
    assert (settings.locale, settings.resolv_conf, settings.zone_data) == ((), "", "")
    assert settings.time_zone == ""
