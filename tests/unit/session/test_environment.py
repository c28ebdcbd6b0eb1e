# SPDX-License-Identifier: GPL-3.0-or-later
from kapsule.session.accounts import Account
from kapsule.session.environment import DEFAULT_PATH, compose

ALICE = Account("alice", 1000, 1000, "/home/alice", "/bin/zsh", (1000,))


def test_who_and_where_the_user_is_cannot_be_overridden() -> None:
    """HOME, USER, SHELL and the container's name are the session's own."""
    passed = {"HOME": "/root", "USER": "root", "SHELL": "x", "KAPSULE_CONTAINER": "other"}
    result = compose(ALICE, "/bin/bash", "dev", {}, passed)
    assert result["HOME"] == "/home/alice"
    assert result["USER"] == result["LOGNAME"] == "alice"
    assert result["SHELL"] == "/bin/bash"
    assert result["KAPSULE_CONTAINER"] == "dev"
    assert result["container"] == "lxc"


def test_the_login_session_is_the_ground() -> None:
    """What PAM set applies, the caller's wins over it, and the waiting shell's own is left out."""
    login = {"PATH": "/guest/bin", "LANG": "C.UTF-8", "XDG_RUNTIME_DIR": "/run/user/1000", "_": "x"}
    result = compose(ALICE, "/bin/sh", "dev", login, {"LANG": "de_DE.UTF-8"})
    assert result["PATH"] == "/guest/bin"
    assert result["LANG"] == "de_DE.UTF-8"
    assert result["XDG_RUNTIME_DIR"] == "/run/user/1000"
    assert "_" not in result


def test_without_a_login_there_is_a_path() -> None:
    """A guest without PAM gets the usual PATH, where NixOS's programs are found too."""
    assert compose(ALICE, "/bin/sh", "dev", {}, {})["PATH"] == DEFAULT_PATH
    assert "/run/current-system/sw/bin" in DEFAULT_PATH.split(":")
