# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may import whom, and what `kapsule enter` may import at all."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jeepney  # type: ignore[import-untyped]  # ships no types
import pytest

import kapsule

PACKAGE = Path(kapsule.__file__).parent

# Part of the package -> the parts that it may import. The names of the leaves are constants.
_BASE = {"__init__", "errors", "names"}
_FEATURES = (
    *("images", "containers", "settings", "user_setup", "create", "mounts", "trust", "ownership"),
    "enter",
)
_BELOW_FEATURES = _BASE | {"options", "pipeline", "incus", "host", "linux", "session"}
_DAEMON = _BELOW_FEATURES | {"config", *_FEATURES}
LAYERS: dict[str, set[str]] = {
    "__init__": set(),
    "errors": set(),
    "names": set(),
    "options": _BASE,
    "pipeline": _BASE,
    "linux": _BASE,
    "terminal": _BASE | {"linux"},
    "client": _BASE | {"options"},
    "cli": _BASE | {"options", "client", "terminal", "linux"},
    "host": _BASE | {"linux"},
    "incus": _BASE,
    "session": _BASE | {"linux"},
    "config": _BASE | {"host", "linux"},
    **{
        feature: _BELOW_FEATURES | set(_FEATURES[:number])
        for number, feature in enumerate(_FEATURES)
    },
    "daemon": _DAEMON,
    "testing": _DAEMON | {"client"},
}

# Library -> the only parts that may import it, besides the tests' own.
LIBRARIES = {
    "jeepney": {"client"},
    "dbus_fast": {"daemon"},
    "aiohttp": {"incus"},
    "yarl": {"incus"},
    "msgspec": {"incus"},
    "rich": {"cli"},
    "shtab": {"cli"},
    "argparse_manpage": {"cli"},
}

# What may be loaded when `kapsule enter` makes its call. Each module costs every single enter.
HOT_PATH = {
    "kapsule",
    "kapsule.cli",
    "kapsule.cli.__main__",
    "kapsule.cli.enter",
    "kapsule.cli.enter_words",
    "kapsule.cli.passed_environment",
    "kapsule.client",
    "kapsule.client.bus",
    "kapsule.client.connection",
    "kapsule.client.failures",
    "kapsule.errors",
    "kapsule.linux",
    "kapsule.linux.pty",
    "kapsule.names",
    "kapsule.terminal",
    "kapsule.terminal.osc",
    "kapsule.terminal.raw",
    "kapsule.terminal.held_signals",
    "kapsule.terminal.relay",
}
# The standard library: what we need, and what jeepney brings along. No argparse: it is for flags.
HOT_PATH_STANDARD = {
    *("array", "errno", "fcntl", "os", "select", "signal", "socket", "struct", "sys"),
    *("termios", "time", "tty"),
    "re",
    *("binascii", "collections", "contextlib", "copyreg", "enum", "functools", "itertools"),
    *("keyword", "math", "operator", "reprlib", "selectors", "string", "types", "typing"),
    *("warnings", "genericpath", "posixpath", "stat"),
}

_LIST_LOADED = """
import sys
before = set(sys.modules)
sys.path[:0] = sys.argv[1:]
from kapsule.cli import __main__, enter, enter_words
from kapsule.client.bus import Bus
assert enter_words.parse_plain(["dev", "--", "ls"])
print(*sorted(set(sys.modules) - before))
"""


def _modules() -> Iterator[tuple[str, str, str]]:
    """Yield (part, module, imported) for every import of the package, wherever it stands."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        for imported in _imports(ast.parse(path.read_text())):
            yield parts[0], ".".join(parts), imported


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "kapsule":
            yield from (f"kapsule.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


def _part(imported: str) -> str:
    name = imported.split(".")[1]
    return "__init__" if name == "__version__" else name


def test_every_part_has_its_place() -> None:
    """A new package says in the table above what it may import."""
    assert {part for part, _, _ in _modules()} <= set(LAYERS)


def test_imports_go_one_way() -> None:
    """From the command and the daemon down to errors and names, never back or across."""
    wrong = [
        f"{module} imports {imported}"
        for part, module, imported in _modules()
        if imported.startswith("kapsule.")
        and _part(imported) != part
        and _part(imported) not in LAYERS[part]
    ]
    assert wrong == []


def test_each_library_has_one_home() -> None:
    """So that it can be replaced, and the hot path cannot catch it."""
    wrong = [
        f"{module} imports {imported}"
        for part, module, imported in _modules()
        if part not in LIBRARIES.get(imported.split(".")[0], {part}) and part != "testing"
    ]
    assert wrong == []


def test_enter_imports_only_what_it_needs() -> None:
    """Every module on this list was put there on purpose."""
    places = [str(PACKAGE.parent), str(Path(jeepney.__file__).parents[1])]
    command = [sys.executable, "-ISB", "-c", _LIST_LOADED, *places]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    ours = {name for name in loaded if name.split(".")[0] == "kapsule"}
    others = {name.split(".")[0] for name in loaded} - {"kapsule", "jeepney"}
    assert ours <= HOT_PATH
    assert {name for name in others if not name.startswith("_")} <= HOT_PATH_STANDARD


@pytest.mark.parametrize("verb", ["--help", "--version"])
def test_help_loads_nothing_for_tables(verb: str) -> None:
    """rich is only for those verbs that print tables or bars."""
    script = "import sys; from kapsule.cli.__main__ import main\n"
    script += "try: main(sys.argv[1:])\nfinally: print(*sys.modules, file=sys.stderr)"
    ended = subprocess.run([sys.executable, "-c", script, verb], capture_output=True, text=True)
    assert ended.returncode == 0
    assert "rich" not in ended.stderr.split()
