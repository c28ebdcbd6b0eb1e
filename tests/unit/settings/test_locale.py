# SPDX-License-Identifier: GPL-3.0-or-later
from kapsule.host.settings import HostSettings
from kapsule.session.guest_actions import DIRECTORY, SYMLINK, GuestFile, WriteFile
from kapsule.settings.locale import locales_of, plan_locale

GERMAN = HostSettings(
    locale=(("LANG", "de_DE.UTF-8"), ("LC_TIME", "en_DK.UTF-8"), ("LANGUAGE", "de:en"))
)
TEXT = "LANG=de_DE.UTF-8\nLC_TIME=en_DK.UTF-8\nLANGUAGE=de:en\n"
GLIBC = {"/usr/lib/locale": GuestFile(DIRECTORY)}
DEBIAN = {
    **GLIBC,
    "/etc/debian_version": GuestFile("file", "12.1\n"),
    "/etc/default": GuestFile(DIRECTORY),
}


def test_each_guest_has_its_own_file() -> None:
    """Debian's, systemd's, both where both are; musl and BusyBox know no such thing."""
    default, conf = WriteFile("/etc/default/locale", TEXT), WriteFile("/etc/locale.conf", TEXT)
    assert plan_locale(DEBIAN, GERMAN, ()) == (default,)
    assert plan_locale(GLIBC, GERMAN, ()) == (conf,)
    both = {"/etc/locale.conf": GuestFile("file", ""), "/etc/default/locale": GuestFile("file", "")}
    assert plan_locale({**DEBIAN, **both}, GERMAN, ()) == (conf, default)
    assert plan_locale({}, GERMAN, ()) == ()


def test_a_link_between_them_stays() -> None:
    """A newer Debian's /etc/default/locale leads to locale.conf, which is what is written."""
    link = {"/etc/default/locale": GuestFile(SYMLINK, "../locale.conf")}
    assert plan_locale({**DEBIAN, **link}, GERMAN, ()) == (WriteFile("/etc/locale.conf", TEXT),)


def test_the_same_said_otherwise_is_not_written() -> None:
    """Comments and quotes in the guest's file make no difference."""
    text = '# by hand\nLANG="de_DE.UTF-8"\nLC_TIME=en_DK.UTF-8\nLANGUAGE=de:en\n'
    files = {**DEBIAN, "/etc/default/locale": GuestFile("file", text)}
    assert plan_locale(files, GERMAN, ()) == ()


def test_missing_locales_are_c() -> None:
    """Each that the guest lacks is C.UTF-8; languages are not locales and stay."""
    (action,) = plan_locale(GLIBC, GERMAN, {"de_DE.UTF-8", "de:en"})
    assert action == WriteFile(
        "/etc/locale.conf", "LANG=C.UTF-8\nLC_TIME=en_DK.UTF-8\nLANGUAGE=de:en\n"
    )
    assert locales_of(GERMAN) == {"de_DE.UTF-8", "en_DK.UTF-8"}


def test_a_host_that_says_nothing() -> None:
    """The guest keeps its own."""
    files = {**DEBIAN, "/etc/default/locale": GuestFile("file", "LANG=fi_FI.UTF-8\n")}
    assert plan_locale(files, HostSettings(), ()) == ()
