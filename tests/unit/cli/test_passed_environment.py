# SPDX-License-Identifier: GPL-3.0-or-later
from kapsule.cli.passed_environment import choose

HOST = {
    "PATH": "/nix/store/bin",
    "LD_PRELOAD": "/tmp/x.so",
    "SECRET_TOKEN": "s3cret",
    "TERM": "xterm-256color",
    "LANG": "de_DE.UTF-8",
    "LC_TIME": "en_GB.UTF-8",
    "EDITOR": "vim",
    "WAYLAND_DISPLAY": "wayland-0",
}


def test_only_listed_names_pass() -> None:
    """PATH, library paths and secrets stay on the host; terminal, language and editor pass."""
    assert choose(HOST, [], clean=False) == {
        name: HOST[name] for name in ("TERM", "LANG", "LC_TIME", "EDITOR", "WAYLAND_DISPLAY")
    }


def test_env_adds_by_value_and_by_name() -> None:
    """`--env K=V` sets, `--env K` takes the caller's, and an unset K passes nothing."""
    passed = choose(HOST, ["A=1=2", "SECRET_TOKEN", "MISSING", "EMPTY="], clean=True)
    assert passed == {
        "TERM": "xterm-256color",
        "A": "1=2",
        "SECRET_TOKEN": "s3cret",
        "EMPTY": "",
    }


def test_env_may_name_what_is_not_listed() -> None:
    """Naming PATH is a choice of the user's."""
    assert choose(HOST, ["PATH"], clean=False)["PATH"] == "/nix/store/bin"
