# SPDX-License-Identifier: GPL-3.0-or-later
import os
import struct
from pathlib import Path

import pytest

from kapsule.session.locales import missing, normal, without_missing


def _archive(path: Path, *names: str) -> None:
    """Write the head of a locale-archive and its names, as glibc's localedef does."""
    text = b"".join(name.encode() + b"\0" for name in names)
    head = struct.pack("=12I", 0xDE020109, 1, 48, 1, 1, 100, len(text), len(text), 0, 0, 0, 0)
    path.write_bytes(head.ljust(100, b"x") + text + b"more")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A guest's directory of locales: German in the archive, Finnish as a directory."""
    _archive(tmp_path / "locale-archive", "de_DE.utf8", "de_DE.iso88591", "de_DE")
    (tmp_path / "fi_FI.utf8").mkdir()
    return tmp_path


def test_what_a_guest_has(place: Path) -> None:
    """In the archive or as a directory, however the codeset is spelt."""
    there = ["de_DE.UTF-8", "de_DE.utf8", "de_DE.ISO-8859-1", "de_DE", "fi_FI.UTF-8"]
    built_in = ["C", "POSIX", "C.UTF-8", "C.utf8", ""]
    assert missing([*there, *built_in], [str(place)]) == set()


@pytest.mark.parametrize("name", ["fr_FR.UTF-8", "de_D", "e_DE.utf8", "../x", "fi_FI.utf8/..", "."])
def test_what_it_lacks(place: Path, name: str) -> None:
    """A part of a name is no name, and a path is none."""
    assert missing([name], [str(place)]) == {name}


def test_another_c_library(tmp_path: Path) -> None:
    """A guest without any of glibc's directories takes every name."""
    assert missing(["xx_YY.UTF-8"], [str(tmp_path / "none")]) == set()


def test_archives_that_are_none(place: Path) -> None:
    """Too short, of another kind, with offsets to nowhere, or a FIFO: no locale is in it."""
    archive = place / "locale-archive"
    for data in (b"", b"short", b"x" * 100, struct.pack("=12I", 0xDE020109, *[0xFFFFFFFF] * 11)):
        archive.write_bytes(data)
        assert missing(["de_DE.UTF-8"], [str(place)]) == {"de_DE.UTF-8"}
    archive.unlink()
    os.mkfifo(archive)
    assert missing(["de_DE.UTF-8"], [str(place)]) == {"de_DE.UTF-8"}


def test_environment_without_noise(place: Path) -> None:
    """Only variables of the locale are touched, and of them only what the guest lacks."""
    before = {
        "LANG": "de_DE.UTF-8",
        "LC_TIME": "fr_FR.UTF-8",
        "LANGUAGE": "fr:de",
        "LANGUID": "fr_FR.UTF-8",
        "EDITOR": "vi",
    }
    after = without_missing(before, [str(place)])
    assert after == {**before, "LC_TIME": "C.UTF-8"}


def test_names_as_glibc_writes_them() -> None:
    """The codeset loses its punctuation and its capitals; digits alone are ISO's."""
    assert normal("de_DE.UTF-8@euro") == "de_DE.utf8@euro"
    assert normal("de_DE.8859-1") == "de_DE.iso88591"
    assert normal("de_DE") == "de_DE"
